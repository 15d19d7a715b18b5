/** What the settlement of an interval needs to know of each meter that has a part in it (SETTLEMENT 2). */
import { Quantity } from '@commonwatt/firmware-protocol';
import { rowsOfReadingDays } from '../needs.js';
import { compareUnits, mergeNames, UnitNames } from '../records/index.js';
import type { MeterRow } from '../rows.js';
import { type MeterColumns, MISSING } from '../sharing/units.js';
import { NeedRows, type RowRef, type Rows } from '../working-set.js';
import { edgeReachS, type IntervalSettings } from './edges.js';
import { MeasuredEnergy } from './measured-energy.js';
import { EdgeCache, limitMwh, meterState, primaryChannel } from './meter-state.js';
import { DAY_S, isNetted } from './readings.js';

type NamedMeter = readonly [string, MeterRow];

/** Meters that take part in the netting: enrolled on a device that is not revoked, with an import or export counter. */
export function activeMeters(rows: Rows): readonly NamedMeter[] {
  return rows.all('meter').filter(([, meter]) => isActive(rows, meter) && primaryChannel(meter) !== undefined);
}

function isActive(rows: Rows, { kid, removedIndex }: MeterRow): boolean {
  return removedIndex === undefined && rows.get('device', kid)?.revokedIndex === undefined;
}

export interface IntervalInputs {
  readonly meters: MeterColumns;
  /** Every active meter has both edges of its primary counter. */
  readonly allEdges: boolean;
  /** At least one has. */
  readonly someEdges: boolean;
}

/** What the meters contribute to one interval after the other, for as long as neither meters nor readings change. */
export class StreetEnergies {
  readonly #rows: Rows;
  readonly #settings: IntervalSettings;
  /** By member, then meter. */
  readonly #active: readonly StreetMeter[];
  readonly #former: readonly StreetMeter[];
  /** The active meters. */
  readonly meters: UnitNames;
  readonly #newestEnrolledS: number;
  /** The active meter that lacked an edge when one was last looked for: most likely it lacks the next one, too. */
  #lacking = 0;
  /** Days whose rows were asked for already. */
  readonly #days = new Set<number>();

  constructor(rows: Rows, settings: IntervalSettings) {
    this.#rows = rows;
    this.#settings = settings;
    const netted = rows.all('meter').filter(([, meter]) => primaryChannel(meter) !== undefined);
    const inOrder = (meters: readonly NamedMeter[]) =>
      meters.map((named) => new StreetMeter(rows, named, settings)).sort(compareUnits);
    this.#active = inOrder(netted.filter(([, meter]) => isActive(rows, meter)));
    this.#former = inOrder(netted.filter(([, meter]) => !isActive(rows, meter)));
    this.meters = namesOf(rows, this.#active);
    this.#newestEnrolledS = Math.max(0, ...this.#active.map(({ enrolledS }) => enrolledS));
  }

  /** `previous`: the units of the version before; none for version 1. */
  inputs(startS: number, previous?: UnitNames): IntervalInputs {
    this.#require(startS);
    const active = this.#withLater(columnsOf(this.#active, this.meters, startS), startS);
    const allEdges = !active.quality.includes(MISSING);
    const someEdges = active.quality.some((quality) => quality !== MISSING);
    return { meters: this.#withFormer(active, startS, previous), allEdges, someEdges };
  }

  /** Every active meter has both edges of its primary counter, and there is one: `inputs` without most of the work. */
  isComplete(startS: number): boolean {
    this.#require(startS);
    const count = this.#active.length;
    for (let n = 0; n < count; n++) {
      const i = (this.#lacking + n) % count;
      if (this.#active[i]!.hasEdges(startS)) continue;
      this.#lacking = i;
      return false;
    }
    return count > 0;
  }

  /** With those marked that were first enrolled when the interval was over. */
  #withLater(active: MeterColumns, startS: number): MeterColumns {
    const endS = startS + this.#settings.intervalS;
    if (endS > this.#newestEnrolledS) return active;
    return { ...active, later: Uint8Array.from(this.#active, ({ enrolledS }) => (enrolledS >= endS ? 1 : 0)) };
  }

  /** Meters that are active no more, of units that had a line in the version before: what they measured stays true. */
  #withFormer(active: MeterColumns, startS: number, previous: UnitNames | undefined): MeterColumns {
    if (previous === undefined || this.#former.length === 0) return active;
    const units = new Set(previous.members.map((member, i) => `${member}/${previous.meters[i]}`));
    const asked = this.#former.filter(
      ({ member, meter }) => units.has(`${member}/`) || units.has(`${member}/${meter}`),
    );
    this.#rows.require(
      rowsOfReadingDays(
        asked.map(({ named }) => named),
        this.#daysOf(startS),
      ),
    );
    const all = columnsOf(asked, new UnitNames(asked), startS);
    const withEdges = asked.filter((_, i) => all.quality[i] !== MISSING);
    return withEdges.length === 0 ? active : merged(active, columnsOf(withEdges, new UnitNames(withEdges), startS));
  }

  /** Once a day is enough: all intervals of a day read the same rows. */
  #require(startS: number): void {
    const fresh = this.#daysOf(startS).filter((day) => !this.#days.has(day));
    if (fresh.length === 0) return;
    this.#rows.require(
      rowsOfReadingDays(
        this.#active.map(({ named }) => named),
        fresh,
      ),
    );
    for (const day of fresh) this.#days.add(day);
  }

  #daysOf(startS: number): readonly number[] {
    return daysOfInterval(startS, this.#settings);
  }
}

/** The days whose readings the edges of an interval can lie on. */
export function daysOfInterval(startS: number, settings: IntervalSettings): readonly number[] {
  const reachS = edgeReachS(settings);
  const first = Math.floor(Math.max(0, startS - reachS) / DAY_S);
  const last = Math.floor((startS + settings.intervalS + reachS) / DAY_S);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Of each state the names that its street had last: what was made of them is good for as long as they are the same. */
const NAMES = new WeakMap<Rows, UnitNames>();

function namesOf(rows: Rows, meters: readonly StreetMeter[]): UnitNames {
  const known = NAMES.get(rows);
  const isSame = ({ member, meter }: StreetMeter, i: number) =>
    member === known?.members[i] && meter === known.meters[i];
  if (known !== undefined && known.length === meters.length && meters.every(isSame)) return known;
  const names = new UnitNames(meters);
  NAMES.set(rows, names);
  return names;
}

/** One meter with its counters, and what is known of them. */
class StreetMeter {
  readonly named: NamedMeter;
  readonly member: string;
  readonly meter: string;
  /** The newest instant that the log told of when it was enrolled. */
  readonly enrolledS: number;
  readonly #edges: EdgeCache;
  readonly #channels: readonly StreetChannel[];

  constructor(rows: Rows, named: NamedMeter, settings: IntervalSettings) {
    const [meter, row] = named;
    this.named = named;
    this.member = row.member;
    this.meter = meter;
    this.enrolledS = row.enrolledS ?? 0;
    this.#edges = new EdgeCache(rows, meter, settings);
    const primary = primaryChannel(row)?.quantity;
    this.#channels = row.channels
      .filter(({ quantity }) => isNetted(quantity))
      .map(({ quantity, limitW }) => ({
        isImport: quantity === Quantity.gridImport,
        isPrimary: quantity === primary,
        limitMwh: limitMwh(limitW, settings.intervalS),
        measured: new MeasuredEnergy(rows, { meter, quantity }, settings),
      }));
  }

  hasEdges(startS: number): boolean {
    const [first] = this.#channels;
    // One measured counter is enough only where it is the primary one.
    if (first?.isPrimary === true && first.measured.at(startS) >= 0) return true;
    return meterState(this.#edges, this.named[1], startS).hasEdges;
  }

  fill({ importMwh, exportMwh, quality }: MeterColumns, i: number, startS: number): void {
    for (const { isImport, limitMwh, measured } of this.#channels) {
      const energyMwh = measured.at(startS);
      // What is not plain, NaN too, is looked at more closely.
      if (!(energyMwh >= 0 && energyMwh <= limitMwh)) {
        const state = meterState(this.#edges, this.named[1], startS);
        importMwh[i] = state.importMwh ?? 0;
        exportMwh[i] = state.exportMwh ?? 0;
        quality[i] = state.quality;
        return;
      }
      if (isImport) importMwh[i] = energyMwh;
      else exportMwh[i] = energyMwh;
    }
  }
}

interface StreetChannel {
  readonly isImport: boolean;
  /** By whose edges the meter takes part. */
  readonly isPrimary: boolean;
  readonly limitMwh: number;
  readonly measured: MeasuredEnergy;
}

function columnsOf(meters: readonly StreetMeter[], names: UnitNames, startS: number): MeterColumns {
  const columns = emptyColumns(names);
  const missing: RowRef[] = [];
  for (let i = 0; i < meters.length; i++) {
    try {
      meters[i]!.fill(columns, i, startS);
    } catch (error) {
      if (!(error instanceof NeedRows)) throw error;
      for (const row of error.rows) missing.push(row);
    }
  }
  // Outages lie further back than the days that were asked for: those of a whole street at once, not meter by meter.
  if (missing.length > 0) throw new NeedRows(missing);
  return columns;
}

function emptyColumns(meters: UnitNames): MeterColumns {
  const { length } = meters;
  const [importMwh, exportMwh] = [new Float64Array(length), new Float64Array(length)];
  return { meters, importMwh, exportMwh, quality: new Uint8Array(length) };
}

function merged(first: MeterColumns, second: MeterColumns): MeterColumns {
  const { names, ofFirst, ofSecond } = mergeNames(first.meters, second.meters);
  const all = { ...emptyColumns(names), later: new Uint8Array(names.length) };
  for (const [from, places] of [
    [first, ofFirst],
    [second, ofSecond],
  ] as const) {
    places.forEach((place, i) => {
      all.importMwh[place] = from.importMwh[i]!;
      all.exportMwh[place] = from.exportMwh[i]!;
      all.quality[place] = from.quality[i]!;
      all.later[place] = from.later?.[i] ?? 0;
    });
  }
  return all;
}
