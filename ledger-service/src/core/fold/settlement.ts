/** What a settlement's version and a seal do to the projections. */
import { applyLegs, type Leg, postingsOfDifference } from '../postings.js';
import {
  SETTLEMENT_REASON,
  type SettlementLine,
  type SettlementReason,
  type SettlementTotals,
} from '../records/index.js';
import { type BalanceRow, indexKey, settlementKey, startKey } from '../rows.js';
import { waitsS } from '../settings.js';
import type { Rows } from '../working-set.js';

export interface BookedSettlement {
  readonly index: number;
  readonly shell: {
    readonly startS: number;
    readonly version: number;
    readonly reason: SettlementReason;
    readonly rulesIndex: number;
    readonly previousIndex: number | undefined;
    readonly final: boolean;
  };
  readonly booking: Booking;
}

/** A version's lines beside those of the one before. */
export interface VersionDifference {
  readonly lines: readonly SettlementLine[];
  readonly totals: SettlementTotals;
  readonly before: { readonly lines: readonly SettlementLine[]; readonly totals: SettlementTotals } | undefined;
}

/** What a version books, and the balances that it changes, as they are afterwards. */
export interface Booking {
  readonly legs: readonly Leg[];
  readonly balances: ReadonlyMap<string, BalanceRow>;
}

/** Throws LedgerError 'money-range' where a balance would fit no account. */
export function bookingOf(rows: Rows, difference: VersionDifference): Booking {
  const legs = legsOf(rows, difference);
  return { legs, balances: balancesAfter(rows, legs) };
}

export function foldSettlement(rows: Rows, { index, shell, booking }: BookedSettlement): void {
  const { startS, version, reason, rulesIndex, previousIndex, final } = shell;
  rows.put('settlement', settlementKey(startS, version), {
    index,
    reason,
    rulesIndex,
    ...(previousIndex !== undefined && { previousIndex }),
    final,
  });
  const { legs, balances } = booking;
  for (const [account, { amountMicro, energyMwh }] of balances) {
    rows.put('balance', account, { amountMicro, energyMwh });
  }
  rows.put('posting', indexKey(index), { startS, version, legs });
  rows.put('unsealed', indexKey(index), { startS, version });
  const touchedIndex = rows.get('interval', startKey(startS))!.touchedIndex;
  rows.put('interval', startKey(startS), { version, final, settledIndex: index, touchedIndex });
  if (final) rows.remove('due', startKey(startS));
  noteTime(rows, startS, reason);
}

/** When this version could be booked at the earliest: the reason says what was waited for. */
function noteTime(rows: Rows, startS: number, reason: SettlementReason): void {
  const community = rows.get('community', '')!;
  const { intervalS, settings } = community.genesis;
  const waitedS =
    reason === SETTLEMENT_REASON.grace ? settings.graceS : reason === SETTLEMENT_REASON.timeout ? waitsS(settings) : 0;
  const newestS = Math.max(community.newestS, startS + intervalS + waitedS);
  rows.put('community', '', { ...community, newestS, isSealed: false });
}

function legsOf(rows: Rows, { lines, totals, before }: VersionDifference): readonly Leg[] {
  return postingsOfDifference({
    lines,
    totals,
    previousLines: before?.lines,
    previousTotals: before?.totals,
    commonsMember: rows.get('community', '')!.genesis.settings.commonsMember,
  });
}

function balancesAfter(rows: Rows, legs: readonly Leg[]): ReadonlyMap<string, BalanceRow> {
  const before = new Map<string, BalanceRow>();
  for (const { account } of legs) {
    const balance = rows.get('balance', account);
    if (balance !== undefined) before.set(account, balance);
  }
  return applyLegs(before, legs);
}

export function foldSeal(
  rows: Rows,
  seal: { readonly index: number; readonly number: number; readonly leafCount: number; readonly root: string },
): void {
  const { index, number, leafCount, root } = seal;
  rows.put('seal', indexKey(number), { index, leafCount, root });
  for (const [key] of rows.all('unsealed')) if (Number(key) < index) rows.remove('unsealed', key);
  const community = rows.get('community', '')!;
  const sealed = { sealNumber: number, sealIndex: index, sealedSize: index, isSealed: true };
  rows.put('community', '', { ...community, ...sealed });
}
