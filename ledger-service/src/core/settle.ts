/**
 * Which intervals are due for which version of their settlement, and the booking of it. The only thing read of a clock
 * is `nowS`, and it decides when, never what: the content follows from the entries before it and the reason.
 */
import { SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import { Balances } from './balances.js';
import type { Decision } from './decision.js';
import { endedIntervals, INTERVALS_A_LOOK, isLoaded, type SettleShare } from './due-intervals.js';
import { LedgerError } from './errors.js';
import { foldSettlement, postingOf } from './fold/settlement.js';
import { type IntervalInputs, StreetEnergies } from './intervals/meter-energies.js';
import { rowsOfVersion } from './needs.js';
import { emptyPosting, type Posting } from './postings.js';
import {
  encodeTotalsContent,
  encodeVectorContent,
  type LineColumns,
  parseTotalsContent,
  parseVectorColumns,
  SETTLEMENT_REASON,
  type SettlementReason,
  type SettlementTotals,
  type UnitNames,
  vectorUnderVersion,
} from './records/index.js';
import { type IntervalRow, startKey } from './rows.js';
import { intervalSettings, rulesAt, waitsS } from './settings.js';
import { computeSettlement, type Settlement } from './settlement.js';

/** The newest version of an interval, with what it says. */
export interface SettledVersion {
  readonly row: IntervalRow;
  readonly lines: LineColumns;
  readonly totals: SettlementTotals;
}

export interface Settled {
  /** Versions that were booked. */
  readonly versions: number;
  /** Starts of intervals that are due and cannot be booked: their money or energy fits no account. */
  readonly heldS: readonly number[];
  /** The last interval that had its turn; undefined when all of them had. */
  readonly untilS: number | undefined;
}

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
    // Where the next one stands may not be known yet: the next share loads that first.
    const isUnknown = looked > 0 && !isLoaded(decision.rows, startS);
    if (booked >= limit || looked >= INTERVALS_A_LOOK || isUnknown) {
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
  readonly version: number;
  readonly reason: SettlementReason;
  readonly previousIndex: number | undefined;
  readonly final: boolean;
  /** Contents, as they will lie beside the log. */
  readonly vector: Uint8Array;
  readonly totals: Uint8Array;
  readonly posting: Posting;
}

/**
 * An interval whose money or energy is too large for any account is held: it stays due, to be seen, and holds up no other
 * one. Undefined when nothing is due.
 */
function planBookable(round: Round, startS: number): VersionPlan | 'held' | undefined {
  try {
    return planVersion(round, startS);
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'money-range') return 'held';
    throw error;
  }
}

/** Undefined when nothing is due. */
function planVersion(round: Round, startS: number): VersionPlan | undefined {
  const { decision, nowS } = round;
  const row = decision.rows.get('interval', startKey(startS));
  if (row === undefined || !decision.rows.get('due', startKey(startS))) return undefined;
  const { genesis } = decision.communityRow();
  const endS = startS + genesis.intervalS;
  if (row.version === 0) return planFirst(round, startS, nowS >= endS + waitsS(genesis.settings));
  if (row.touchedIndex > row.settledIndex) return planLate(round, startS, row);
  return !row.final && nowS >= endS + genesis.settings.graceS ? planGrace(round, startS, row) : undefined;
}

/** Version 1: as soon as it is complete, or with what is there when the time is over; never out of nothing. */
function planFirst(round: Round, startS: number, isTimeOver: boolean): VersionPlan | undefined {
  const { decision, street } = round;
  if (!isTimeOver && !street.isComplete(startS)) return undefined;
  const inputs = street.inputs(startS);
  if (!inputs.someEdges) return undefined;
  const reason = inputs.allEdges ? SETTLEMENT_REASON.complete : SETTLEMENT_REASON.timeout;
  return planned(round, { startS, reason, settlement: settleInputs(decision, startS, 1, inputs), before: undefined });
}

function planLate(round: Round, startS: number, row: IntervalRow): VersionPlan {
  const { decision, street } = round;
  const before = settledVersion(decision, row, likelyUnits(round, startS));
  const { units } = before.lines;
  const settlement = settleInputs(decision, startS, row.version + 1, street.inputs(startS, units), units);
  return planned(round, { startS, reason: SETTLEMENT_REASON.late, settlement, before });
}

/** The end of the grace: the same lines and totals under the next version, and nothing to book (LOG 6.4). */
function planGrace({ decision }: Round, startS: number, { version: known, settledIndex }: IntervalRow): VersionPlan {
  decision.rows.require(rowsOfVersion(settledIndex));
  const version = known + 1;
  const { totals } = parseTotalsContent(contentOf(decision, settledIndex, 1));
  return {
    version,
    reason: SETTLEMENT_REASON.grace,
    previousIndex: settledIndex,
    final: true,
    vector: vectorUnderVersion(contentOf(decision, settledIndex, 0), version),
    totals: encodeTotalsContent({ startS, version, totals }),
    posting: emptyPosting(),
  };
}

interface ComputedVersion {
  readonly startS: number;
  readonly reason: SettlementReason;
  readonly settlement: Settlement;
  readonly before: SettledVersion | undefined;
}

/** Throws LedgerError `money-range` where it could not be booked. */
function planned(round: Round, { startS, reason, settlement, before }: ComputedVersion): VersionPlan {
  const { lines, totals, complete } = settlement;
  const version = (before?.row.version ?? 0) + 1;
  return {
    version,
    reason,
    previousIndex: before?.row.settledIndex,
    final: complete || before?.row.final === true,
    vector: encodeVectorContent({ startS, version, lines }),
    totals: encodeTotalsContent({ startS, version, totals }),
    posting: postingOf(round.decision.rows, round.balances, settlement, before),
  };
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

/** `likely`: whom its lines name, most likely. */
export function settledVersion(decision: Decision, row: IntervalRow, likely?: UnitNames): SettledVersion {
  decision.rows.require(rowsOfVersion(row.settledIndex));
  const { lines } = parseVectorColumns(contentOf(decision, row.settledIndex, 0), likely);
  return { row, lines, totals: parseTotalsContent(contentOf(decision, row.settledIndex, 1)).totals };
}

/** Those who would have lines now. */
function likelyUnits({ decision, street }: Round, startS: number): UnitNames {
  const isByMember = rulesAt(decision.rows, startS)?.settings.netting === 2;
  return isByMember ? street.meters.owners().names : street.meters;
}

function contentOf(decision: Decision, index: number, part: number): Uint8Array {
  return decision.openingOf(index, part).subarray(SALT_BYTES);
}

function bookVersion({ decision, balances }: Round, startS: number, plan: VersionPlan): void {
  const { version, reason, previousIndex, final, vector, totals, posting } = plan;
  const rulesIndex = rulesAt(decision.rows, startS)!.index;
  const { index } = decision.appendSettlement(
    [
      [1, startS],
      [2, version],
      [3, reason],
      [4, rulesIndex],
      [5, previousIndex],
      [8, final ? 1 : undefined],
    ],
    vector,
    totals,
  );
  const shell = { startS, version, reason, rulesIndex, previousIndex, final };
  foldSettlement(decision.rows, balances, { index, shell, posting });
}
