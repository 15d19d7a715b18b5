/**
 * From meters to units of allocation: who takes part in one interval, with what need and what offer (LOG 6.1).
 * Netting `none` and `meter` make each meter a unit, `member` makes each member one, over the sums of its meters.
 */
import { LedgerError } from '../errors.js';
import type { Quality, RuleSettings } from '../records/index.js';

/** One active meter in one interval, as the readings give it. */
export interface MeterEnergy {
  readonly member: string;
  readonly meter: string;
  /** mWh >= 0; undefined where the counter is not enrolled or lacks an edge: it counts as 0. */
  readonly importMwh?: number | undefined;
  readonly exportMwh?: number | undefined;
  /** Both edges of the primary counter are known, and the power between them is within the limit. */
  readonly complete: boolean;
  /** The worst of the edges; 4 without an edge, 5 over the power limit. A complete meter has 0 to 3. */
  readonly quality: Quality;
}

/** Who a line is for. The meter is '' where the member is the unit. */
export interface UnitName {
  readonly member: string;
  readonly meter: string;
}

/** One line's input. A unit that takes no part has zeros and quality 4 or 5. */
export interface Unit extends UnitName {
  readonly needMwh: number;
  readonly offerMwh: number;
  readonly quality: Quality;
}

export interface UnitsInput {
  readonly netting: RuleSettings['netting'];
  readonly meters: readonly MeterEnergy[];
  /** Units that had a line in the version before: one that is no longer active gets zeros and quality 4. */
  readonly previous?: readonly UnitName[] | undefined;
  /** Percent of a unit's need and offer that takes part, whole, 1 to 100; 100 where not given. */
  readonly factorPercent?: ((unit: UnitName) => number) | undefined;
}

export const MISSING: Quality = 4;
export const DISPUTED: Quality = 5;

/** True for a unit or line that took part: what had no edge, or was over its limit, has zeros. */
export function tookPart({ quality }: { readonly quality: Quality }): boolean {
  return quality < MISSING;
}

/**
 * All units in the order of their ids' bytes, by member, then meter.
 * Throws LedgerError `invariant` for a meter named twice, energies that are not whole or negative, or a factor out of range.
 */
export function allocationUnits({ netting, meters, previous = [], factorPercent }: UnitsInput): Unit[] {
  const sorted = meters.slice().sort(compareUnits);
  for (let i = 0; i < sorted.length; i++) checkMeter(sorted[i]!, sorted[i - 1]);
  const units = netting === 2 ? netMembers(sorted) : sorted.map((meter) => netUnit(meter, netting === 1));
  const shared = factorPercent === undefined ? units : units.map((unit) => applyFactor(unit, factorPercent(unit)));
  return withVanished(withoutImpossible(shared), previous);
}

/** Ids are ASCII (PROTOCOL 1), so the order of a string's code units is the order of its bytes. */
export function compareUnits(a: UnitName, b: UnitName): number {
  return compareIds(a.member, b.member) || compareIds(a.meter, b.meter);
}

export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function checkMeter(meter: MeterEnergy, before: MeterEnergy | undefined): void {
  const { importMwh = 0, exportMwh = 0 } = meter;
  if (before !== undefined && compareUnits(before, meter) === 0) {
    throw new LedgerError('invariant', `meter ${meter.meter} of ${meter.member}: expected once, got twice`);
  }
  if (!Number.isSafeInteger(importMwh) || importMwh < 0 || !Number.isSafeInteger(exportMwh) || exportMwh < 0) {
    const got = `import ${importMwh}, export ${exportMwh}`;
    throw new LedgerError('invariant', `meter ${meter.meter}: expected whole mWh from 0 to 2^53 - 1, got ${got}`);
  }
  if (meter.complete && !tookPart(meter)) {
    throw new LedgerError('invariant', `meter ${meter.meter}: complete, but of quality ${meter.quality}`);
  }
}

function netUnit({ member, meter, importMwh = 0, exportMwh = 0, complete, quality }: MeterEnergy, net: boolean): Unit {
  if (!complete) return absent({ member, meter }, quality);
  if (!net) return { member, meter, needMwh: importMwh, offerMwh: exportMwh, quality };
  const differenceMwh = importMwh - exportMwh;
  return { member, meter, needMwh: Math.max(0, differenceMwh), offerMwh: Math.max(0, -differenceMwh), quality };
}

/** A member with one meter that has no edge takes no part with any: its sum is not known. */
function netMembers(sorted: readonly MeterEnergy[]): Unit[] {
  const units: Unit[] = [];
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    const member = sorted[from]!.member;
    let importMwh = 0;
    let exportMwh = 0;
    let quality: Quality = 0;
    let complete = true;
    for (to = from; to < sorted.length && sorted[to]!.member === member; to++) {
      const meter = sorted[to]!;
      importMwh += meter.importMwh ?? 0;
      exportMwh += meter.exportMwh ?? 0;
      complete &&= meter.complete;
      if (meter.quality > quality) quality = meter.quality;
    }
    const isExact = Number.isSafeInteger(importMwh) && Number.isSafeInteger(exportMwh);
    complete &&= isExact;
    if (!isExact) quality = DISPUTED;
    units.push(netUnit({ member, meter: '', importMwh, exportMwh, complete, quality }, true));
  }
  return units;
}

function applyFactor(unit: Unit, percent: number): Unit {
  if (percent === 100) return unit;
  if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
    throw new LedgerError('invariant', `participation of ${unit.member}: expected 1 to 100 percent, got ${percent}`);
  }
  return { ...unit, needMwh: partOf(unit.needMwh, percent), offerMwh: partOf(unit.offerMwh, percent) };
}

/** floor(energy x percent / 100) without a product that could pass 2^53. */
function partOf(energyMwh: number, percent: number): number {
  const rest = energyMwh % 100;
  return ((energyMwh - rest) / 100) * percent + Math.floor((rest * percent) / 100);
}

/**
 * Sums of energy are safe integers, always. Where n units together claim 2^53 mWh (nine terawatt-hours) or more, those
 * that claim more than the n-th part of it are disputed: a counter gone mad must not stop its neighbours' settlement.
 */
function withoutImpossible(units: Unit[]): Unit[] {
  let needMwh = 0;
  let offerMwh = 0;
  for (const unit of units) {
    needMwh += unit.needMwh;
    offerMwh += unit.offerMwh;
  }
  if (Number.isSafeInteger(needMwh) && Number.isSafeInteger(offerMwh)) return units;
  const limitMwh = Math.floor(Number.MAX_SAFE_INTEGER / units.length);
  return units.map((unit) => (Math.max(unit.needMwh, unit.offerMwh) > limitMwh ? absent(unit, DISPUTED) : unit));
}

function withVanished(units: Unit[], previous: readonly UnitName[]): Unit[] {
  if (previous.length === 0) return units;
  const active = new Set(units.map(nameKey));
  const vanished = previous.filter((unit) => !active.has(nameKey(unit))).map((unit) => absent(unit, MISSING));
  return vanished.length === 0 ? units : [...units, ...vanished].sort(compareUnits);
}

/** No id holds a slash. */
const nameKey = ({ member, meter }: UnitName): string => `${member}/${meter}`;

function absent({ member, meter }: UnitName, quality: Quality): Unit {
  return { member, meter, needMwh: 0, offerMwh: 0, quality: quality > MISSING ? quality : MISSING };
}
