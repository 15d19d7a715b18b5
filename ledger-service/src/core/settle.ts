/**
 * Which intervals are due for which version of their settlement, and the booking of it. The only thing read of a clock
 * is `nowS`, and it decides when, never what: the content follows from the entries before it and the reason.
 */
import { SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import { Balances } from './balances.js';
import type { Decision } from './decision.js';
import { LedgerError } from './errors.js';
import { foldSettlement, postingOf } from './fold/settlement.js';
import { activeMeters, daysOfInterval, type IntervalInputs, StreetEnergies } from './intervals/meter-energies.js';
import { rowsOfReadingDays, rowsOfVersion } from './needs.js';
import type { Posting } from './postings.js';
import {
  encodeTotalsContent,
  encodeVectorContent,
  type LineColumns,
  lineColumns,
  parseTotalsContent,
  parseVectorContent,
  SETTLEMENT_REASON,
  type SettlementReason,
  type SettlementTotals,
  type UnitNames,
} from './records/index.js';
import { type IntervalRow, startKey } from './rows.js';
import { intervalSettings, rulesAt, waitsS } from './settings.js';
import { computeSettlement, type Settlement } from './settlement.js';
import type { RowRef, Rows, WorkingSet } from './working-set.js';

/** The newest version of an interval, with what it says. */
export interface SettledVersion {
  readonly row: IntervalRow;
  readonly lines: LineColumns;
  readonly totals: SettlementTotals;
}

/** Which of the intervals that are due one commit takes. */
export interface SettleShare {
  /** At most so many intervals get versions. */
  readonly limit: number;
  /** Only intervals that begin later: those before had their turn. */
  readonly afterS: number;
}

export interface Settled {
  /** Versions that were booked. */
  readonly versions: number;
  /** Starts of intervals that are due and cannot be booked: their money or energy fits no account. */
  readonly heldS: readonly number[];
  /** The last interval that had its turn; undefined when all of them had. */
  readonly untilS: number | undefined;
}

/** Intervals that one commit looks at, whether or not there is anything to book: most of those that are due may wait. */
const INTERVALS_A_LOOK = 1_024;

/** Books the versions that are due at `nowS`, oldest interval first. */
export function settleDue(decision: Decision, nowS: number, { limit, afterS }: SettleShare): Settled {
  let versions = 0;
  let looked = 0;
  let booked = 0;
  const heldS: number[] = [];
  const round = beginRound(decision, nowS);
  let untilS: number | undefined;
  let lastS = afterS;
  for (const startS of endedIntervals(decision.rows, nowS, afterS)) {
    if (booked >= limit || looked >= INTERVALS_A_LOOK) {
      untilS = lastS;
      break;
    }
    lastS = startS;
    looked += 1;
    const more = settleInterval(round, startS, heldS);
    versions += more;
    if (more > 0) booked += 1;
  }
  round.balances.put();
  return { versions, heldS, untilS };
}

/** What serves all intervals of a share: booking changes neither meters nor readings. */
interface Round {
  readonly decision: Decision;
  readonly nowS: number;
  readonly street: StreetEnergies;
  readonly balances: Balances;
}

function beginRound(decision: Decision, nowS: number): Round {
  return { decision, nowS, street: streetOf(decision), balances: new Balances(decision.rows) };
}

/** Intervals that wait for a version and have ended, oldest first; only those that begin after `afterS`. */
export function* endedIntervals(rows: Rows, nowS: number, afterS = -1): Generator<number> {
  const { intervalS } = rows.get('community', '')!.genesis;
  // Keys rise with time. Booking changes the rows, not this list of them.
  const due = rows.all('due');
  for (let i = firstAfter(due, startKey(Math.max(0, afterS + 1))); i < due.length; i++) {
    const startS = Number(due[i]![0]);
    if (startS + intervalS > nowS) return;
    yield startS;
  }
}

/** Place of the first key from `key` on. */
function firstAfter(due: readonly (readonly [string, unknown])[], key: string): number {
  let low = 0;
  let high = due.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (due[middle]![0] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows that say where the intervals of a share stand: to be there before `rowsOfDue` is asked. */
export function rowsOfEnded(rows: WorkingSet, nowS: number, { afterS }: SettleShare): readonly RowRef[] {
  if (rows.get('community', '') === undefined) return [];
  const refs: RowRef[] = [];
  for (const startS of endedIntervals(rows, nowS, afterS)) {
    if (refs.length >= INTERVALS_A_LOOK) break;
    refs.push({ table: 'interval', key: startKey(startS) });
  }
  return refs;
}

/** Rows for the versions of a share that may be booked at `nowS`: a hint, in one read. */
export function rowsOfDue(rows: WorkingSet, nowS: number, { limit, afterS }: SettleShare): readonly RowRef[] {
  const community = rows.get('community', '');
  if (community === undefined) return [];
  const { intervalS, settings } = community.genesis;
  const refs: RowRef[] = [];
  const days = new Set<number>();
  let intervals = 0;
  for (const startS of endedIntervals(rows, nowS, afterS)) {
    // Beyond those that were loaded nothing is known.
    if (intervals >= limit || !rows.isLoaded('interval', startKey(startS))) break;
    const row = rows.get('interval', startKey(startS));
    const isGraceOver = nowS >= startS + intervalS + settings.graceS;
    if (row === undefined || (row.version > 0 && row.touchedIndex <= row.settledIndex && !isGraceOver)) continue;
    intervals += 1;
    for (const day of daysOfInterval(startS, intervalSettings(community))) days.add(day);
    if (row.version > 0) refs.push(...rowsOfVersion(row.settledIndex));
  }
  return [...refs, ...rowsOfReadingDays(activeMeters(rows), [...days])];
}

/** One interval may need two versions at once: what is there, and then the end of the grace. */
function settleInterval(round: Round, startS: number, heldS: number[]): number {
  let versions = 0;
  for (;;) {
    const plan = planBookable(round, startS);
    if (plan === 'held') heldS.push(startS);
    if (plan === undefined || plan === 'held') return versions;
    bookVersion(round, startS, plan);
    versions += 1;
  }
}

interface VersionPlan {
  readonly reason: SettlementReason;
  readonly before: SettledVersion | undefined;
  readonly settlement: Settlement;
  readonly posting: Posting;
}

type Unbooked = Omit<VersionPlan, 'posting'>;

/**
 * An interval whose money or energy is too large for any account is held: it stays due, to be seen, and holds up no other
 * one. Undefined when nothing is due.
 */
function planBookable(round: Round, startS: number): VersionPlan | 'held' | undefined {
  try {
    const plan = planVersion(round, startS);
    if (plan === undefined) return undefined;
    return { ...plan, posting: postingOf(round.decision.rows, round.balances, plan.settlement, plan.before) };
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'money-range') return 'held';
    throw error;
  }
}

/** Undefined when nothing is due. */
function planVersion(round: Round, startS: number): Unbooked | undefined {
  const { decision, nowS } = round;
  const row = decision.rows.get('interval', startKey(startS));
  if (row === undefined || !decision.rows.get('due', startKey(startS))) return undefined;
  const { genesis } = decision.communityRow();
  const endS = startS + genesis.intervalS;
  const isTouched = row.touchedIndex > row.settledIndex;
  if (row.version === 0) return planFirst(round, startS, nowS >= endS + waitsS(genesis.settings));
  if (isTouched) return planNext(round, row, { startS, reason: SETTLEMENT_REASON.late });
  if (!row.final && nowS >= endS + genesis.settings.graceS)
    return planNext(round, row, { startS, reason: SETTLEMENT_REASON.grace });
  return undefined;
}

/** Version 1: as soon as it is complete, or with what is there when the time is over; never out of nothing. */
function planFirst({ decision, street }: Round, startS: number, isTimeOver: boolean): Unbooked | undefined {
  const inputs = street.inputs(startS);
  if (!inputs.someEdges || !(inputs.allEdges || isTimeOver)) return undefined;
  const reason = inputs.allEdges ? SETTLEMENT_REASON.complete : SETTLEMENT_REASON.timeout;
  return { reason, before: undefined, settlement: settleInputs(decision, startS, 1, inputs) };
}

function planNext(
  { decision, street }: Round,
  row: IntervalRow,
  { startS, reason }: { startS: number; reason: SettlementReason },
): Unbooked {
  const before = settledVersion(decision, row);
  if (reason === SETTLEMENT_REASON.grace) {
    return { reason, before, settlement: { lines: before.lines, totals: before.totals, complete: true } };
  }
  const { units } = before.lines;
  const settlement = settleInputs(decision, startS, row.version + 1, street.inputs(startS, units), units);
  return { reason, before, settlement };
}

/** The pure function of the entries so far: no clock, no reason changes a line. */
export function settle(
  decision: Decision,
  startS: number,
  version: number,
  previousUnits: UnitNames | undefined,
): Settlement {
  const inputs = streetOf(decision).inputs(startS, previousUnits);
  return settleInputs(decision, startS, version, inputs, previousUnits);
}

function streetOf(decision: Decision): StreetEnergies {
  return new StreetEnergies(decision.rows, intervalSettings(decision.communityRow()));
}

function settleInputs(
  decision: Decision,
  startS: number,
  version: number,
  { meters }: IntervalInputs,
  previousUnits?: UnitNames,
): Settlement {
  const rules = rulesAt(decision.rows, startS);
  if (rules === undefined) throw new LedgerError('invariant', `no rules are in force at ${startS}`);
  const { community, hasher } = decision;
  return computeSettlement({ community, startS, version, rules: rules.settings, meters, previousUnits, hasher });
}

export function settledVersion(decision: Decision, row: IntervalRow): SettledVersion {
  decision.rows.require(rowsOfVersion(row.settledIndex));
  const { lines } = parseVectorContent(contentOf(decision, row.settledIndex, 0));
  return {
    row,
    lines: lineColumns(lines),
    totals: parseTotalsContent(contentOf(decision, row.settledIndex, 1)).totals,
  };
}

function contentOf(decision: Decision, index: number, part: number): Uint8Array {
  return decision.openingOf(index, part).subarray(SALT_BYTES);
}

function bookVersion({ decision, balances }: Round, startS: number, plan: VersionPlan): void {
  const { reason, before, settlement, posting } = plan;
  const version = (before?.row.version ?? 0) + 1;
  const { lines, totals } = settlement;
  const final = settlement.complete || before?.row.final === true;
  const rulesIndex = rulesAt(decision.rows, startS)!.index;
  const previousIndex = before?.row.settledIndex;
  const { index } = decision.appendSettlement(
    [
      [1, startS],
      [2, version],
      [3, reason],
      [4, rulesIndex],
      [5, previousIndex],
      [8, final ? 1 : undefined],
    ],
    encodeVectorContent({ startS, version, lines }),
    encodeTotalsContent({ startS, version, totals }),
  );
  const shell = { startS, version, reason, rulesIndex, previousIndex, final };
  foldSettlement(decision.rows, balances, { index, shell, posting });
}
