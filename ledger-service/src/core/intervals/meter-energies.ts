/** What the settlement of an interval needs to know of each meter that has a part in it (SETTLEMENT 2). */
import { rowsOfDay } from '../needs.js';
import type { UnitName } from '../records/index.js';
import type { MeterRow } from '../rows.js';
import type { MeterEnergy } from '../sharing/meters.js';
import type { Rows } from '../working-set.js';
import type { IntervalSettings } from './edges.js';
import { EdgeCache, type MeterState, meterState, primaryChannel } from './meter-state.js';
import { DAY_S } from './readings.js';

type NamedMeter = readonly [string, MeterRow];

/** Meters that take part in the netting: enrolled on a device that is not revoked, with an import or export counter. */
export function activeMeters(rows: Rows): readonly NamedMeter[] {
  return rows.all('meter').filter(([, meter]) => isActive(rows, meter) && primaryChannel(meter) !== undefined);
}

function isActive(rows: Rows, { kid, removedIndex }: MeterRow): boolean {
  return removedIndex === undefined && rows.get('device', kid)?.revokedIndex === undefined;
}

export interface IntervalInputs {
  readonly meters: readonly MeterEnergy[];
  /** Every active meter has both edges of its primary counter. */
  readonly allEdges: boolean;
  /** At least one has. */
  readonly someEdges: boolean;
}

interface MeterEdges {
  readonly named: NamedMeter;
  readonly edges: EdgeCache;
}

/** What the meters contribute to one interval after the other, for as long as neither meters nor readings change. */
export class StreetEnergies {
  readonly #rows: Rows;
  readonly #settings: IntervalSettings;
  readonly #active: readonly MeterEdges[];
  readonly #former: readonly MeterEdges[];
  /** Days whose rows were asked for already. */
  readonly #days = new Set<number>();

  constructor(rows: Rows, settings: IntervalSettings) {
    this.#rows = rows;
    this.#settings = settings;
    const netted = rows.all('meter').filter(([, meter]) => primaryChannel(meter) !== undefined);
    const withEdges = (named: NamedMeter) => ({ named, edges: new EdgeCache(rows, named[0], settings) });
    this.#active = netted.filter(([, meter]) => isActive(rows, meter)).map(withEdges);
    this.#former = netted.filter(([, meter]) => !isActive(rows, meter)).map(withEdges);
  }

  /** `previous`: the units of the version before; none for version 1. */
  inputs(startS: number, previous: readonly UnitName[] = []): IntervalInputs {
    const former = this.#formerOf(previous);
    this.#require(startS, former);
    const meters: MeterEnergy[] = [];
    let withEdges = 0;
    for (const { named, edges } of this.#active) {
      const state = meterState(edges, named[1], startS);
      if (state.hasEdges) withEdges += 1;
      meters.push(energyOf(named, state));
    }
    for (const { named, edges } of former) {
      const state = meterState(edges, named[1], startS);
      if (state.hasEdges) meters.push(energyOf(named, state));
    }
    return { meters, allEdges: withEdges === this.#active.length, someEdges: withEdges > 0 };
  }

  /** Meters that are active no more, of units that had a line in the version before: what they measured stays true. */
  #formerOf(previous: readonly UnitName[]): readonly MeterEdges[] {
    if (previous.length === 0 || this.#former.length === 0) return [];
    const units = new Set(previous.map(({ member, meter }) => `${member}/${meter}`));
    return this.#former.filter(
      ({ named: [id, { member }] }) => units.has(`${member}/`) || units.has(`${member}/${id}`),
    );
  }

  /** Once a day is enough: all intervals of a day read the same rows. */
  #require(startS: number, former: readonly MeterEdges[]): void {
    const day = Math.floor(startS / DAY_S);
    const isNew = !this.#days.has(day);
    if (!isNew && former.length === 0) return;
    const meters = [...(isNew ? this.#active : []), ...former].map(({ named }) => named);
    this.#rows.require(rowsOfDay(meters, day * DAY_S, this.#settings));
    this.#days.add(day);
  }
}

export function intervalInputs(
  rows: Rows,
  startS: number,
  settings: IntervalSettings,
  previous: readonly UnitName[] = [],
): IntervalInputs {
  return new StreetEnergies(rows, settings).inputs(startS, previous);
}

function energyOf([meter, { member }]: NamedMeter, { importMwh, exportMwh, quality }: MeterState): MeterEnergy {
  return {
    member,
    meter,
    ...(importMwh !== undefined && { importMwh }),
    ...(exportMwh !== undefined && { exportMwh }),
    complete: quality < 4,
    quality,
  };
}
