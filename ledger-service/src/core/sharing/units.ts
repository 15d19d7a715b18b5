/**
 * From meters to units of allocation: who takes part in one interval, with what need and what offer (LOG 6.1).
 * Netting `none` and `meter` make each meter a unit, `member` makes each member one, over the sums of its meters.
 */
import { LedgerError } from '../errors.js';
import { mergeNames, type Quality, type RuleSettings, type UnitName, type UnitNames } from '../records/index.js';

/** The active meters in one interval, as the readings give them: the i-th of each column belongs to the i-th meter. */
export interface MeterColumns {
  readonly meters: UnitNames;
  /** Whole mWh >= 0; 0 where the counter is not enrolled or lacks an edge. */
  readonly importMwh: Float64Array;
  readonly exportMwh: Float64Array;
  /** The worst of the edges, 0 to 3; 4 without an edge of the primary counter, 5 over the power limit. */
  readonly quality: Uint8Array;
  /** 1 for a meter that was first enrolled when the interval was over; absent: there is none. */
  readonly later?: Uint8Array;
}

/** What the lines are computed from. A unit that takes no part has zeros and quality 4 or 5. */
export interface UnitColumns {
  readonly units: UnitNames;
  readonly needMwh: Float64Array;
  readonly offerMwh: Float64Array;
  readonly quality: Uint8Array;
}

export interface UnitsInput {
  readonly netting: RuleSettings['netting'];
  readonly meters: MeterColumns;
  /** Units that had a line in the version before: one that is no longer active gets zeros and quality 4. */
  readonly previous?: UnitNames | undefined;
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
 * Throws LedgerError `invariant` for energies that are not whole or negative, or a factor out of range.
 */
export function allocationUnits({ netting, meters, previous, factorPercent }: UnitsInput): UnitColumns {
  checkMeters(meters);
  const units = netting === 2 ? netMembers(meters) : netMeters(meters, netting === 1);
  if (factorPercent !== undefined) applyFactors(units, factorPercent);
  leaveOutImpossible(units);
  return previous === undefined ? units : withVanished(units, previous);
}

function checkMeters({ meters, importMwh, exportMwh }: MeterColumns): void {
  for (let i = 0; i < meters.length; i++) {
    if (isEnergy(importMwh[i]!) && isEnergy(exportMwh[i]!)) continue;
    const got = `import ${importMwh[i]}, export ${exportMwh[i]}`;
    throw new LedgerError('invariant', `meter ${meters.meters[i]}: expected whole mWh from 0 to 2^53 - 1, got ${got}`);
  }
}

function isEnergy(energyMwh: number): boolean {
  return Number.isSafeInteger(energyMwh) && energyMwh >= 0;
}

function emptyUnits(units: UnitNames): UnitColumns {
  const { length } = units;
  const [needMwh, offerMwh] = [new Float64Array(length), new Float64Array(length)];
  return { units, needMwh, offerMwh, quality: new Uint8Array(length) };
}

function netMeters({ meters, importMwh, exportMwh, quality }: MeterColumns, isNet: boolean): UnitColumns {
  const units = emptyUnits(meters);
  for (let i = 0; i < meters.length; i++) {
    units.quality[i] = quality[i]!;
    if (quality[i]! >= MISSING) continue;
    setUnit(units, i, importMwh[i]!, exportMwh[i]!, isNet);
  }
  return units;
}

/**
 * A member with one meter that has no edge takes no part with any: its sum is not known. But no sum lacks a meter that
 * came later.
 */
function netMembers({ meters, importMwh, exportMwh, quality, later }: MeterColumns): UnitColumns {
  const { names, of } = meters.owners();
  const units = emptyUnits(names);
  for (let i = 0; i < meters.length; ) {
    const unit = of[i]!;
    let importSumMwh = 0;
    let exportSumMwh = 0;
    let worst = 0;
    let counted = 0;
    for (; i < meters.length && of[i] === unit; i++) {
      if (later?.[i] === 1 && quality[i] === MISSING) continue;
      counted += 1;
      importSumMwh += importMwh[i]!;
      exportSumMwh += exportMwh[i]!;
      if (quality[i]! > worst) worst = quality[i]!;
    }
    if (counted === 0) worst = MISSING;
    if (!Number.isSafeInteger(importSumMwh) || !Number.isSafeInteger(exportSumMwh)) worst = DISPUTED;
    units.quality[unit] = worst;
    if (worst < MISSING) setUnit(units, unit, importSumMwh, exportSumMwh, true);
  }
  return units;
}

function setUnit({ needMwh, offerMwh }: UnitColumns, i: number, importMwh: number, exportMwh: number, isNet: boolean) {
  const bothMwh = isNet ? Math.min(importMwh, exportMwh) : 0;
  needMwh[i] = importMwh - bothMwh;
  offerMwh[i] = exportMwh - bothMwh;
}

function applyFactors({ units, needMwh, offerMwh }: UnitColumns, factorPercent: (unit: UnitName) => number): void {
  for (let i = 0; i < units.length; i++) {
    const percent = factorPercent(units.at(i));
    if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
      const member = units.members[i];
      throw new LedgerError('invariant', `participation of ${member}: expected 1 to 100 percent, got ${percent}`);
    }
    needMwh[i] = partOf(needMwh[i]!, percent);
    offerMwh[i] = partOf(offerMwh[i]!, percent);
  }
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
function leaveOutImpossible({ units, needMwh, offerMwh, quality }: UnitColumns): void {
  let needSumMwh = 0;
  let offerSumMwh = 0;
  for (let i = 0; i < units.length; i++) {
    needSumMwh += needMwh[i]!;
    offerSumMwh += offerMwh[i]!;
  }
  if (Number.isSafeInteger(needSumMwh) && Number.isSafeInteger(offerSumMwh)) return;
  const limitMwh = Math.floor(Number.MAX_SAFE_INTEGER / units.length);
  for (let i = 0; i < units.length; i++) {
    if (Math.max(needMwh[i]!, offerMwh[i]!) <= limitMwh) continue;
    needMwh[i] = 0;
    offerMwh[i] = 0;
    quality[i] = DISPUTED;
  }
}

function withVanished(active: UnitColumns, previous: UnitNames): UnitColumns {
  if (previous === active.units) return active;
  const { names, ofFirst } = mergeNames(active.units, previous);
  if (names === active.units) return active;
  const all = emptyUnits(names);
  all.quality.fill(MISSING);
  ofFirst.forEach((at, i) => {
    all.needMwh[at] = active.needMwh[i]!;
    all.offerMwh[at] = active.offerMwh[i]!;
    all.quality[at] = active.quality[i]!;
  });
  return all;
}
