/**
 * Where an interval's energy becomes money. A settlement is a pure function of the interval's energies and the rules in
 * force at its start; docs/SETTLEMENT.md follows one through with numbers.
 *
 *   meters -> units of allocation -> who receives, who delivers -> what it costs, what it earns -> one line per unit
 *
 * Whatever the rules say: nobody receives more than needed or delivers more than offered, both sides sum to the same
 * energy, credits and levy sum to zero, and the order of the list changes nothing. That is checked at the end, each time.
 */
import type { Hasher, MilliwattHours } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import { type RuleSettings, type SettlementLine, type SettlementTotals, tieHash } from './records/index.js';
import { sumOf } from './sharing/pool.js';
import { consumerRule, producerRule } from './sharing/rules.js';
import { splitMoneyByLargestRemainder, type Tie } from './sharing/split.js';
import { allocationUnits, DISPUTED, type MeterEnergy, type Unit, type UnitName } from './sharing/units.js';

export type { MeterEnergy, UnitName } from './sharing/units.js';

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
  /** Every active meter once, in any order. */
  readonly meters: readonly MeterEnergy[];
  /** Lines of the version before: each of its units keeps a line. */
  readonly previousLines?: readonly SettlementLine[] | undefined;
  readonly factorPercent?: ((unit: UnitName) => number) | undefined;
  readonly hasher: Hasher;
}

export interface Settlement {
  /** By member, then meter, in the order of the ids' bytes. */
  readonly lines: readonly SettlementLine[];
  readonly totals: SettlementTotals;
  /** Every active meter has both edges (one over its power limit has them too): nothing is left to wait for. */
  readonly complete: boolean;
}

/**
 * Settles one interval. Throws LedgerError `bad-request` for rules that are none, `money-range` where an amount passes
 * 63 bits, `invariant` for inputs out of range or if a law above did not hold.
 */
export function computeSettlement(input: SettlementInput): Settlement {
  const { rules, meters, previousLines: previous, factorPercent } = input;
  checkRules(rules);
  const units = allocationUnits({ netting: rules.netting, meters, previous, factorPercent });
  const tie = tieOf(input, units);
  const shares = shareEnergy(units, rules, tie);
  const money = priceShares(shares, rules, tie);
  const lines = units.map((unit, i) => lineOf(unit, shares, money, i));
  const totals = totalsOf(units, shares, money);
  checkLaws(input, lines, totals);
  return { lines, totals, complete: meters.every((meter) => meter.complete || meter.quality === DISPUTED) };
}

interface Shares {
  readonly receivedMwh: readonly number[];
  readonly deliveredMwh: readonly number[];
  readonly sharedMwh: number;
}

/** The consumer rule says how much is shared and who receives it, the producer rule who delivers it. */
function shareEnergy(units: readonly Unit[], rules: RuleSettings, tie: Tie): Shares {
  const pool = { needsMwh: units.map((unit) => unit.needMwh), offersMwh: units.map((unit) => unit.offerMwh), tie };
  const receivedMwh = consumerRule(rules.consumerRule)(pool);
  const sharedMwh = sumOf(receivedMwh);
  return { receivedMwh, deliveredMwh: producerRule(rules.producerRule)(pool, sharedMwh), sharedMwh };
}

interface Money {
  readonly costMicro: readonly bigint[];
  readonly earnedMicro: readonly bigint[];
  readonly paidMicro: bigint;
  readonly levyMicro: bigint;
}

/** Each consumer's amount is rounded once; what they pay together, less the levy, is split by what was delivered. */
function priceShares(shares: Shares, rules: RuleSettings, tie: Tie): Money {
  const costMicro = shares.receivedMwh.map((receivedMwh) => amountMicro(receivedMwh, rules.priceMicroPerKwh));
  let paidMicro = 0n;
  for (const amount of costMicro) paidMicro += amount;
  if (paidMicro > MAX_AMOUNT_MICRO) {
    throw new LedgerError(
      'money-range',
      `amounts of one interval: expected at most 2^63 - 1 together, got ${paidMicro}`,
    );
  }
  const levyMicro = (paidMicro * BigInt(rules.levyBasisPoints)) / BigInt(BASIS_POINTS);
  const total = paidMicro - levyMicro;
  const earnedMicro = splitMoneyByLargestRemainder({ total, weights: shares.deliveredMwh, tie });
  return { costMicro, earnedMicro, paidMicro, levyMicro };
}

/** received x price / 1,000,000, half up; by bigint only where the product passes 2^53. */
function amountMicro(receivedMwh: number, priceMicroPerKwh: number): bigint {
  const product = receivedMwh * priceMicroPerKwh;
  if (product === 0) return 0n;
  if (product > Number.MAX_SAFE_INTEGER) {
    const half = BigInt(MWH_PER_KWH / 2);
    return (BigInt(receivedMwh) * BigInt(priceMicroPerKwh) + half) / BigInt(MWH_PER_KWH);
  }
  const rest = product % MWH_PER_KWH;
  return BigInt((product - rest) / MWH_PER_KWH + (rest >= MWH_PER_KWH / 2 ? 1 : 0));
}

function lineOf(unit: Unit, shares: Shares, money: Money, i: number): SettlementLine {
  return {
    member: unit.member,
    meter: unit.meter,
    needMwh: unit.needMwh as MilliwattHours,
    offerMwh: unit.offerMwh as MilliwattHours,
    receivedMwh: shares.receivedMwh[i]! as MilliwattHours,
    deliveredMwh: shares.deliveredMwh[i]! as MilliwattHours,
    amountMicro: money.earnedMicro[i]! - money.costMicro[i]!,
    quality: unit.quality,
  };
}

function totalsOf(units: readonly Unit[], { sharedMwh }: Shares, { paidMicro, levyMicro }: Money): SettlementTotals {
  let needMwh = 0;
  let offerMwh = 0;
  for (const unit of units) {
    needMwh += unit.needMwh;
    offerMwh += unit.offerMwh;
  }
  return {
    units: units.length,
    needMwh: needMwh as MilliwattHours,
    offerMwh: offerMwh as MilliwattHours,
    sharedMwh: sharedMwh as MilliwattHours,
    paidMicro,
    levyMicro,
  };
}

/** The unit that comes first in a tie, of consumers, producers or money, has the smallest of these hashes (LOG 8.2). */
function tieOf({ community, startS, hasher }: SettlementInput, units: readonly UnitName[]): Tie {
  return (i) => tieHash(hasher, { community, startS, ...units[i]! });
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
function checkLaws(input: SettlementInput, lines: readonly SettlementLine[], totals: SettlementTotals): void {
  let receivedMwh = 0;
  let deliveredMwh = 0;
  let creditsMicro = totals.levyMicro;
  for (const line of lines) {
    const capped = line.receivedMwh <= line.needMwh && line.deliveredMwh <= line.offerMwh;
    if (!capped || line.receivedMwh < 0 || line.deliveredMwh < 0) {
      throw broken(input, `line of ${line.member}/${line.meter}`, '0 <= share <= need or offer');
    }
    receivedMwh += line.receivedMwh;
    deliveredMwh += line.deliveredMwh;
    creditsMicro += line.amountMicro;
  }
  if (receivedMwh !== totals.sharedMwh || deliveredMwh !== totals.sharedMwh) {
    throw broken(input, `received ${receivedMwh}, delivered ${deliveredMwh}`, `both ${totals.sharedMwh} mWh`);
  }
  if (creditsMicro !== 0n) throw broken(input, `credits and levy sum to ${creditsMicro}`, 'zero');
}

function broken({ community, startS, version }: SettlementInput, got: string, expected: string): LedgerError {
  return new LedgerError(
    'invariant',
    `settlement ${community} ${startS} version ${version}: expected ${expected}, got ${got}`,
  );
}
