/** The settlement of a list of meters, line by line: what the tests read and write, around the columns of the core. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { decodePosting, encodePosting, type Leg } from '../../src/core/posting-codec.js';
import { type Posting, postingOfDifference } from '../../src/core/postings.js';
import {
  compareIds,
  compareUnits,
  lineColumns,
  linesOf,
  type Quality,
  type RuleSettings,
  type SettlementLine,
  type SettlementTotals,
  type UnitName,
  UnitNames,
} from '../../src/core/records/index.js';
import { computeSettlement } from '../../src/core/settlement.js';
import { allocationUnits, type UnitsInput } from '../../src/core/sharing/units.js';
import { type MeterEnergy, MeterOrder } from './meter-order.js';

export type { MeterEnergy } from './meter-order.js';

export interface MeterSettlementInput {
  readonly community: string;
  readonly startS: number;
  readonly version: number;
  readonly rules: RuleSettings;
  /** In any order. */
  readonly meters: readonly MeterEnergy[];
  readonly previousLines?: readonly SettlementLine[] | undefined;
  readonly hasher: Hasher;
}

export interface MeterSettlement {
  readonly lines: readonly SettlementLine[];
  readonly totals: SettlementTotals;
  readonly complete: boolean;
}

export function settleMeters({ meters, previousLines, ...input }: MeterSettlementInput): MeterSettlement {
  const columns = new MeterOrder().columns(meters);
  const previousUnits = previousLines && new UnitNames(previousLines);
  const { lines, totals, complete } = computeSettlement({ ...input, meters: columns, previousUnits });
  return { lines: linesOf(lines), totals, complete };
}

export interface UnitRow extends UnitName {
  readonly needMwh: number;
  readonly offerMwh: number;
  readonly quality: Quality;
}

export function unitsOfMeters({
  meters,
  previous,
  ...input
}: Omit<UnitsInput, 'meters' | 'previous'> & {
  readonly meters: readonly MeterEnergy[];
  readonly previous?: readonly UnitName[];
}): UnitRow[] {
  const columns = new MeterOrder().columns(meters);
  const { units, needMwh, offerMwh, quality } = allocationUnits({
    ...input,
    meters: columns,
    previous: previous && new UnitNames(previous.toSorted(compareUnits)),
  });
  return Array.from({ length: units.length }, (_, i) => ({
    ...units.at(i),
    needMwh: needMwh[i]!,
    offerMwh: offerMwh[i]!,
    quality: quality[i]! as Quality,
  }));
}

export interface LineDifference {
  readonly lines: readonly SettlementLine[];
  readonly totals: SettlementTotals;
  readonly previousLines?: readonly SettlementLine[] | undefined;
  readonly previousTotals?: SettlementTotals | undefined;
  readonly commonsMember: string;
}

/** What a version books, as its row says it. */
export function legsOfDifference(difference: LineDifference): readonly Leg[] {
  const { lines, totals, previousLines, previousTotals, commonsMember } = difference;
  const before =
    previousLines && previousTotals ? { lines: lineColumns(previousLines), totals: previousTotals } : undefined;
  const posting = postingOfDifference({ lines: lineColumns(lines), totals, before, commonsMember });
  return decodePosting(encodePosting({ startS: 0, version: 1 }, posting)).legs;
}

/** The legs as a posting. An account may be named once. */
export function postingOfLegs(legs: readonly Leg[]): Posting {
  const sorted = legs.toSorted((a, b) => compareIds(a.account, b.account));
  return {
    accounts: new UnitNames(sorted.map(({ account }) => ({ member: account, meter: '' }))),
    amountMicro: sorted.map(({ amountMicro }) => amountMicro),
    energyMwh: Float64Array.from(sorted, ({ energyMwh }) => energyMwh),
  };
}
