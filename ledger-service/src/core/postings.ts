/**
 * Double entry in credits and in energy. Nothing is overwritten: a later version of a settlement books the difference to
 * the version before, so that the sum of all postings of an interval is always its newest version.
 */
import { type MicroCredits, microCredits } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import type { SettlementLine, SettlementTotals } from './records/index.js';
import type { BalanceRow, PostingRow } from './rows.js';
import { MAX_AMOUNT_MICRO } from './settlement.js';
import { compareIds } from './sharing/units.js';

/** One account's side of a posting. Credits: plus is owed to the member. Energy: delivered minus received, mWh. */
export type Leg = PostingRow['legs'][number];

export interface Difference {
  readonly lines: readonly SettlementLine[];
  readonly totals: SettlementTotals;
  /** Absent for version 1. */
  readonly previousLines?: readonly SettlementLine[] | undefined;
  readonly previousTotals?: SettlementTotals | undefined;
  /** The account that the levy goes to; it may have lines of its own. */
  readonly commonsMember: string;
}

interface Sums {
  amountMicro: bigint;
  energyMwh: number;
}

/**
 * What a version books: one leg per account that it changes, in the order of the ids' bytes. Accounts are members; lines of
 * several meters of one member come together. Credits and energy sum to zero, else LedgerError `invariant`.
 */
export function postingsOfDifference(difference: Difference): Leg[] {
  const accounts = new Map<string, Sums>();
  addVersion(accounts, difference.lines, 1);
  addVersion(accounts, difference.previousLines ?? [], -1);
  const levyMicro = difference.totals.levyMicro - (difference.previousTotals?.levyMicro ?? 0n);
  sumsOf(accounts, difference.commonsMember).amountMicro += levyMicro;
  const legs: Leg[] = [];
  for (const [account, { amountMicro, energyMwh }] of accounts) {
    if (amountMicro === 0n && energyMwh === 0) continue;
    legs.push({ account, amountMicro: microCredits(amountMicro), energyMwh });
  }
  checkBalanced(legs);
  return legs.sort((a, b) => compareIds(a.account, b.account));
}

function addVersion(accounts: Map<string, Sums>, lines: readonly SettlementLine[], sign: 1 | -1): void {
  for (const line of lines) {
    const sums = sumsOf(accounts, line.member);
    sums.amountMicro += sign === 1 ? line.amountMicro : -line.amountMicro;
    sums.energyMwh += sign * (line.deliveredMwh - line.receivedMwh);
  }
}

function sumsOf(accounts: Map<string, Sums>, account: string): Sums {
  let sums = accounts.get(account);
  if (sums === undefined) {
    sums = { amountMicro: 0n, energyMwh: 0 };
    accounts.set(account, sums);
  }
  return sums;
}

function checkBalanced(legs: readonly Leg[]): void {
  let amountMicro = 0n;
  let energyMwh = 0n;
  for (const leg of legs) {
    amountMicro += leg.amountMicro;
    energyMwh += BigInt(leg.energyMwh);
  }
  if (amountMicro !== 0n || energyMwh !== 0n) {
    const got = `${amountMicro} micro-credits and ${energyMwh} mWh`;
    throw new LedgerError('invariant', `posting: expected legs that sum to zero, got ${got}`);
  }
}

/**
 * The balances that the legs change, as they are afterwards; those of `balances` stay as they are. An account without a
 * balance begins at zero. Throws LedgerError `money-range` where a balance passes 63 bits of credits or 2^53 - 1 mWh.
 */
export function applyLegs(balances: ReadonlyMap<string, BalanceRow>, legs: readonly Leg[]): Map<string, BalanceRow> {
  const changed = new Map<string, BalanceRow>();
  for (const leg of legs) {
    const before = changed.get(leg.account) ?? balances.get(leg.account);
    const amountMicro = (before?.amountMicro ?? 0n) + leg.amountMicro;
    const energyMwh = (before?.energyMwh ?? 0) + leg.energyMwh;
    checkBalance(leg.account, amountMicro, energyMwh);
    changed.set(leg.account, { amountMicro: amountMicro as MicroCredits, energyMwh });
  }
  return changed;
}

function checkBalance(account: string, amountMicro: bigint, energyMwh: number): void {
  const size = amountMicro < 0n ? -amountMicro : amountMicro;
  if (size > MAX_AMOUNT_MICRO || !Number.isSafeInteger(energyMwh)) {
    const got = `${amountMicro} micro-credits and ${energyMwh} mWh`;
    throw new LedgerError('money-range', `balance of ${account}: expected at most 63 and 53 bits, got ${got}`);
  }
}
