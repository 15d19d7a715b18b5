/**
 * Where an interval's energy becomes money. A settlement is a pure function of the interval's energies and the rules in
 * force at its start; docs/SETTLEMENT.md follows one through with numbers.
 *
 *   meters -> units of allocation -> who receives, who delivers -> what it costs, what it earns -> one line per unit
 *
 * Whatever the rules say: nobody receives more than needed or delivers more than offered, both sides sum to the same
 * energy, credits and levy sum to zero, and the order of the list changes nothing. That is checked at the end, each time.
 */
import { type Hasher, type MilliwattHours, mulDiv } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import {
  type AmountColumn,
  type LineColumns,
  type RuleSettings,
  type SettlementTotals,
  tieHash,
  type UnitName,
  type UnitNames,
} from './records/index.js';
import { sumOf } from './sharing/pool.js';
import { consumerRule, producerRule } from './sharing/rules.js';
import { splitByLargestRemainder, splitMoneyByLargestRemainder, type Tie } from './sharing/split.js';
import { allocationUnits, type MeterColumns, MISSING, type UnitColumns } from './sharing/units.js';

/** Largest amount on either side of zero: 63 bits, what every database and CBOR reader holds. */
export const MAX_AMOUNT_MICRO = 2n ** 63n - 1n;
/** A price is per kWh, an energy in mWh. */
const MWH_PER_KWH = 1_000_000;
const BASIS_POINTS = 10_000;

export interface SettlementInput {
  /** Community id, part of every tie's hash. */
  readonly community: string;
  /** Start of the interval, UTC seconds. */
  readonly startS: number;
  /** From 1; only named in errors: the same inputs give the same lines under any number. */
  readonly version: number;
  readonly rules: RuleSettings;
  /** Every active meter. */
  readonly meters: MeterColumns;
  /** Units of the version before: each keeps a line. */
  readonly previousUnits?: UnitNames | undefined;
  readonly factorPercent?: ((unit: UnitName) => number) | undefined;
  readonly hasher: Hasher;
}

export interface Settlement {
  /** By member, then meter, in the order of the ids' bytes. */
  readonly lines: LineColumns;
  readonly totals: SettlementTotals;
  /** Every active meter has both edges (one over its power limit has them too): nothing is left to wait for. */
  readonly complete: boolean;
}

/**
 * Settles one interval. Throws LedgerError `bad-request` for rules that are none, `money-range` where an amount passes
 * 63 bits, `invariant` for inputs out of range or if a law above did not hold.
 */
export function computeSettlement(input: SettlementInput): Settlement {
  const { rules, meters, previousUnits: previous, factorPercent } = input;
  checkRules(rules);
  const units = allocationUnits({ netting: rules.netting, meters, previous, factorPercent });
  const tie = tieOf(input, units.units);
  const shares = shareEnergy(units, rules, tie);
  const money = priceShares(shares, rules, tie);
  const { receivedMwh, deliveredMwh } = shares;
  const lines = { ...units, receivedMwh, deliveredMwh, amountMicro: money.amountMicro };
  const totals = totalsOf(units, shares, money);
  checkLaws(input, lines, totals);
  return { lines, totals, complete: !meters.quality.includes(MISSING) };
}

interface Shares {
  readonly receivedMwh: Float64Array;
  readonly deliveredMwh: Float64Array;
  readonly sharedMwh: number;
}

/** The consumer rule says how much is shared and who receives it, the producer rule who delivers it. */
function shareEnergy({ needMwh, offerMwh }: UnitColumns, rules: RuleSettings, tie: Tie): Shares {
  const pool = { needsMwh: needMwh, offersMwh: offerMwh, tie };
  const receivedMwh = consumerRule(rules.consumerRule)(pool);
  const sharedMwh = sumOf(receivedMwh);
  return { receivedMwh, deliveredMwh: producerRule(rules.producerRule)(pool, sharedMwh), sharedMwh };
}

interface Money {
  /** By unit: its share as producer minus its amount as consumer. */
  readonly amountMicro: AmountColumn;
  readonly paidMicro: bigint;
  readonly levyMicro: bigint;
}

/**
 * Each consumer's amount is rounded once; what they pay together, less the levy, is split by what was delivered. In
 * numbers where all that is paid is a safe integer for certain, in bigints where it may not be: the same amounts.
 */
function priceShares(shares: Shares, rules: RuleSettings, tie: Tie): Money {
  const { receivedMwh, sharedMwh } = shares;
  const mostMicro = (sharedMwh * rules.priceMicroPerKwh) / MWH_PER_KWH + receivedMwh.length;
  return mostMicro < Number.MAX_SAFE_INTEGER / 2
    ? priceInNumbers(shares, rules, tie)
    : priceExactly(shares, rules, tie);
}

function priceInNumbers({ receivedMwh, deliveredMwh }: Shares, rules: RuleSettings, tie: Tie): Money {
  const costMicro = receivedMwh.map((mwh) => costInNumbers(mwh, rules.priceMicroPerKwh));
  const paidMicro = sumOf(costMicro);
  const levyMicro = mulDiv(paidMicro, rules.levyBasisPoints, BASIS_POINTS).quotient;
  const amountMicro = splitByLargestRemainder({ total: paidMicro - levyMicro, weights: deliveredMwh, tie });
  for (let i = 0; i < amountMicro.length; i++) amountMicro[i]! -= costMicro[i]!;
  return { amountMicro, paidMicro: BigInt(paidMicro), levyMicro: BigInt(levyMicro) };
}

function priceExactly({ receivedMwh, deliveredMwh }: Shares, rules: RuleSettings, tie: Tie): Money {
  const costMicro = Array.from(receivedMwh, (mwh) => costOf(mwh, rules.priceMicroPerKwh));
  let paidMicro = 0n;
  for (const amount of costMicro) paidMicro += amount;
  if (paidMicro > MAX_AMOUNT_MICRO) {
    throw new LedgerError(
      'money-range',
      `amounts of one interval: expected at most 2^63 - 1 together, got ${paidMicro}`,
    );
  }
  const levyMicro = (paidMicro * BigInt(rules.levyBasisPoints)) / BigInt(BASIS_POINTS);
  const earnedMicro = splitMoneyByLargestRemainder({ total: paidMicro - levyMicro, weights: deliveredMwh, tie });
  const amountMicro = BigInt64Array.from(earnedMicro, (earned, i) => earned - costMicro[i]!);
  return { amountMicro, paidMicro, levyMicro };
}

/** received x price / 1,000,000, half up. */
function costOf(receivedMwh: number, priceMicroPerKwh: number): bigint {
  return (BigInt(receivedMwh) * BigInt(priceMicroPerKwh) + BigInt(MWH_PER_KWH / 2)) / BigInt(MWH_PER_KWH);
}

/** The same for a cost that is a safe integer, by bigint only where the product passes 2^53. */
function costInNumbers(receivedMwh: number, priceMicroPerKwh: number): number {
  const product = receivedMwh * priceMicroPerKwh + MWH_PER_KWH / 2;
  if (product > Number.MAX_SAFE_INTEGER) return Number(costOf(receivedMwh, priceMicroPerKwh));
  const cost = Math.floor(product / MWH_PER_KWH);
  return cost * MWH_PER_KWH > product ? cost - 1 : cost;
}

function totalsOf(
  { units, needMwh, offerMwh }: UnitColumns,
  { sharedMwh }: Shares,
  { paidMicro, levyMicro }: Money,
): SettlementTotals {
  return {
    units: units.length,
    needMwh: sumOf(needMwh) as MilliwattHours,
    offerMwh: sumOf(offerMwh) as MilliwattHours,
    sharedMwh: sharedMwh as MilliwattHours,
    paidMicro,
    levyMicro,
  };
}

/** The unit that comes first in a tie, of consumers, producers or money, has the smallest of these hashes (LOG 8.2). */
function tieOf({ community, startS, hasher }: SettlementInput, units: UnitNames): Tie {
  return (i) => tieHash(hasher, { community, startS, ...units.at(i) });
}

function checkRules({ priceMicroPerKwh, levyBasisPoints, netting }: RuleSettings): void {
  if (!Number.isSafeInteger(priceMicroPerKwh) || priceMicroPerKwh < 0) {
    const expected = 'expected whole micro-credits per kWh from 0 to 2^53 - 1';
    throw new LedgerError('bad-request', `price: ${expected}, got ${priceMicroPerKwh}`);
  }
  if (!Number.isInteger(levyBasisPoints) || levyBasisPoints < 0 || levyBasisPoints > BASIS_POINTS) {
    throw new LedgerError('bad-request', `levy: expected 0 to ${BASIS_POINTS} basis points, got ${levyBasisPoints}`);
  }
  if (netting !== 0 && netting !== 1 && netting !== 2) {
    throw new LedgerError('bad-request', `netting: expected 0, 1 or 2, got ${netting}`);
  }
}

/** What must hold under any rule. A settlement that breaks a law is never written. */
function checkLaws(input: SettlementInput, lines: LineColumns, totals: SettlementTotals): void {
  const { units, needMwh, offerMwh, receivedMwh, deliveredMwh, amountMicro } = lines;
  for (let i = 0; i < units.length; i++) {
    const isCapped = receivedMwh[i]! <= needMwh[i]! && deliveredMwh[i]! <= offerMwh[i]!;
    if (isCapped && receivedMwh[i]! >= 0 && deliveredMwh[i]! >= 0) continue;
    throw broken(input, `line of ${units.members[i]}/${units.meters[i]}`, '0 <= share <= need or offer');
  }
  const [received, delivered] = [sumOf(receivedMwh), sumOf(deliveredMwh)];
  if (received !== totals.sharedMwh || delivered !== totals.sharedMwh) {
    throw broken(input, `received ${received}, delivered ${delivered}`, `both ${totals.sharedMwh} mWh`);
  }
  const creditsMicro = creditsOf(amountMicro) + totals.levyMicro;
  if (creditsMicro !== 0n) throw broken(input, `credits and levy sum to ${creditsMicro}`, 'zero');
}

function creditsOf(amountMicro: AmountColumn): bigint {
  if (amountMicro instanceof Float64Array) return BigInt(sumOf(amountMicro));
  let sum = 0n;
  for (const amount of amountMicro) sum += amount;
  return sum;
}

function broken({ community, startS, version }: SettlementInput, got: string, expected: string): LedgerError {
  return new LedgerError(
    'invariant',
    `settlement ${community} ${startS} version ${version}: expected ${expected}, got ${got}`,
  );
}
