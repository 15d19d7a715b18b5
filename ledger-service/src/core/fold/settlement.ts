/** What a settlement's version and a seal do to the projections. */
import type { Balances } from '../balances.js';
import { encodePosting } from '../posting-codec.js';
import { emptyPosting, type Posting, postingOfDifference } from '../postings.js';
import { type LineColumns, SETTLEMENT_REASON, type SettlementReason, type SettlementTotals } from '../records/index.js';
import { indexKey, settlementKey, startKey } from '../rows.js';
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
  readonly posting: Posting;
}

export interface VersionContent {
  readonly lines: LineColumns;
  readonly totals: SettlementTotals;
}

/** What a version books beside the one before. Throws LedgerError 'money-range' where a balance would fit no account. */
export function postingOf(
  rows: Rows,
  balances: Balances,
  { lines, totals }: VersionContent,
  before: VersionContent | undefined,
): Posting {
  const { commonsMember } = rows.get('community', '')!.genesis.settings;
  const isSame = before !== undefined && lines === before.lines && totals === before.totals;
  const posting = isSame ? emptyPosting() : postingOfDifference({ lines, totals, before, commonsMember });
  balances.check(posting);
  return posting;
}

/** Wants a posting of `postingOf`; the caller puts the balances into their rows. */
export function foldSettlement(rows: Rows, balances: Balances, { index, shell, posting }: BookedSettlement): void {
  const { startS, version, reason, rulesIndex, previousIndex, final } = shell;
  rows.put('settlement', settlementKey(startS, version), {
    index,
    reason,
    rulesIndex,
    ...(previousIndex !== undefined && { previousIndex }),
    final,
  });
  balances.book(posting);
  rows.put('posting', indexKey(index), encodePosting({ startS, version }, posting));
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
