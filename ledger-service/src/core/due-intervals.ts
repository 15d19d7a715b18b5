/** The intervals that wait for a version: which of them a commit takes, and the rows that it will read for them. */
import { activeMeters, daysOfInterval } from './intervals/meter-energies.js';
import { rowsOfReadingDays, rowsOfVersion } from './needs.js';
import { type CommunityRow, type IntervalRow, startKey } from './rows.js';
import { intervalSettings } from './settings.js';
import type { RowRef, Rows, WorkingSet } from './working-set.js';

/** Intervals that one commit looks at, whether or not there is anything to book: most of those that are due may wait. */
export const INTERVALS_A_LOOK = 1_024;

/** Which of the intervals that are due one commit takes. */
export interface SettleShare {
  /** At most so many intervals get versions. */
  readonly limit: number;
  /** Only intervals that begin later: those before had their turn. */
  readonly afterS: number;
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

/** Rows that say where the intervals of a share stand, as far as they are missing: to be there before `rowsOfDue` is asked. */
export function rowsOfEnded(rows: WorkingSet, nowS: number, { limit, afterS }: SettleShare): readonly RowRef[] {
  const community = rows.get('community', '');
  if (community === undefined) return [];
  const refs: RowRef[] = [];
  let looked = 0;
  let candidates = 0;
  for (const startS of endedIntervals(rows, nowS, afterS)) {
    if (looked >= INTERVALS_A_LOOK || candidates >= limit) break;
    looked += 1;
    if (!isLoaded(rows, startS)) refs.push({ table: 'interval', key: startKey(startS) });
    else if (mayGetVersion(rows.get('interval', startKey(startS)), endOfGraceS(community, startS) <= nowS))
      candidates += 1;
  }
  return refs;
}

/** Where an interval stands is known. */
export function isLoaded(rows: WorkingSet, startS: number): boolean {
  return rows.isLoaded('interval', startKey(startS));
}

function mayGetVersion(row: IntervalRow | undefined, isGraceOver: boolean): boolean {
  return row !== undefined && (row.version === 0 || row.touchedIndex > row.settledIndex || isGraceOver);
}

function endOfGraceS({ genesis }: CommunityRow, startS: number): number {
  return startS + genesis.intervalS + genesis.settings.graceS;
}

/** Rows for the versions of a share that may be booked at `nowS`: a hint, in one read. */
export function rowsOfDue(rows: WorkingSet, nowS: number, { limit, afterS }: SettleShare): readonly RowRef[] {
  const community = rows.get('community', '');
  if (community === undefined) return [];
  const settings = intervalSettings(community);
  const refs: RowRef[] = [];
  const days = new Set<number>();
  let candidates = 0;
  for (const startS of endedIntervals(rows, nowS, afterS)) {
    if (candidates >= limit || !isLoaded(rows, startS)) break;
    const row = rows.get('interval', startKey(startS));
    if (row === undefined || !mayGetVersion(row, endOfGraceS(community, startS) <= nowS)) continue;
    candidates += 1;
    for (const day of daysOfInterval(startS, settings)) days.add(day);
    if (row.version > 0) refs.push(...rowsOfVersion(row.settledIndex));
  }
  return [...refs, ...rowsOfReadingDays(activeMeters(rows), [...days])];
}
