/** Which intervals an entry has changed: those to which a meter contributes something else than before. */
import { type ChannelRow, type MeterRow, startKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { edgeReachS, edgeToleranceS, type IntervalSettings } from './edges.js';
import { EdgeCache, isSameState, type MeterState, meterState } from './meter-state.js';
import { type ChangedInterval, outagesAround } from './outages.js';
import { channelHead, isNetted } from './readings.js';

export interface Touched {
  readonly meter: string;
  /** The meter's channels whose readings change. */
  readonly quantities: readonly number[];
  /** Every instant whose reading may change. */
  readonly timesS: readonly number[];
  /** The entry that changes them. */
  readonly index: number;
  readonly settings: IntervalSettings;
}

/**
 * Runs `change` and marks the intervals around the instants in which it changed what the meter contributes as touched by
 * entry `index`, and as due where rules are in force.
 */
export function touchIntervals(rows: Rows, touched: Touched, change: () => void): void {
  const row = rows.get('meter', touched.meter);
  if (row === undefined || !touched.quantities.some(isNetted)) {
    change();
    return;
  }
  const near = intervalsAround(rows, touched);
  const outages = touched.settings.estimatesOutages ? outagesAround(rows, touched, near) : undefined;
  const starts = outages?.starts ?? near;
  const before = states(rows, touched, row, starts);
  change();
  const after = states(rows, touched, row, starts);
  const changed: ChangedInterval[] = starts.flatMap((startS, i) =>
    isSameState(before[i]!, after[i]!) ? [] : [[startS, after[i]!] as const],
  );
  changed.push(...(outages?.closed(row) ?? []));
  // All at once: each by itself would be a decision begun anew.
  rows.require(changed.map(([startS]) => ({ table: 'interval', key: startKey(startS) })));
  for (const [startS, state] of changed) touch(rows, startS, touched.index, state);
}

/** Starts of the intervals next to any edge that the change can reach, each once, rising. */
function intervalsAround(rows: Rows, { meter, quantities, timesS, settings }: Touched): readonly number[] {
  const heads = quantities.filter(isNetted).map((quantity) => channelHead(rows, { meter, quantity }));
  const starts = new Set<number>();
  if (heads.every((head) => isNewerThanAll(head, timesS[0]!))) {
    const [firstS, lastS] = [Math.min(...timesS), Math.max(...timesS)];
    addBetween(starts, { fromS: newestBefore(heads, firstS, settings), toS: lastS }, settings);
    return [...starts];
  }
  for (const timeS of timesS) addNear(starts, timeS, settings);
  for (const { candidate, past = [] } of heads) {
    // A leap that this change confirms stands before its own samples, maybe long before.
    for (const leap of [candidate, ...past.map((counter) => counter.candidate)]) {
      if (leap !== undefined) addNear(starts, leap.timeS, settings);
    }
  }
  return [...starts].sort((a, b) => a - b);
}

/** The common case: a counter that never gave rise to doubt, and samples behind all that is known of it. */
function isNewerThanAll({ baseline, candidate, past, flagged }: ChannelRow, timeS: number): boolean {
  return candidate === undefined && past === undefined && flagged === 0 && !(baseline && baseline.timeS >= timeS);
}

/** Nothing older than the reading before the first sample can change, nor what is out of its reach. */
function newestBefore(heads: readonly ChannelRow[], firstS: number, settings: IntervalSettings): number {
  const newestS = heads.map(({ baseline }) => baseline?.timeS ?? firstS);
  return Math.max(Math.min(firstS, ...newestS), firstS - edgeReachS(settings));
}

/** Intervals next to the edges from one instant to another, as far as a reading is an edge as it stands. */
function addBetween(starts: Set<number>, span: { fromS: number; toS: number }, { intervalS }: IntervalSettings): void {
  const toleranceS = edgeToleranceS(intervalS);
  const firstEdgeS = Math.ceil((span.fromS - toleranceS) / intervalS) * intervalS;
  for (let startS = firstEdgeS - intervalS; startS <= span.toS + toleranceS; startS += intervalS) starts.add(startS);
}

function addNear(starts: Set<number>, timeS: number, settings: IntervalSettings): void {
  const { intervalS } = settings;
  const reachS = edgeReachS(settings);
  const firstEdgeS = Math.ceil((timeS - reachS) / intervalS) * intervalS;
  for (let startS = firstEdgeS - intervalS; startS <= timeS + reachS; startS += intervalS) starts.add(startS);
}

function states(
  rows: Rows,
  { meter, settings }: Touched,
  row: MeterRow,
  starts: readonly number[],
): readonly MeterState[] {
  const edges = new EdgeCache(rows, meter, settings);
  return starts.map((startS) => meterState(edges, row, startS));
}

/** An interval of which nothing was known before and nothing is now is no interval yet: there is nothing to settle. */
function touch(rows: Rows, startS: number, index: number, after: MeterState): void {
  if (startS < 0 || !rows.all('rules').some(([, rule]) => rule.firstIntervalS <= startS)) return;
  const key = startKey(startS);
  const known = rows.get('interval', key);
  if (known === undefined && !after.hasEdges) return;
  const { version, final, settledIndex } = known ?? { version: 0, final: false, settledIndex: -1 };
  rows.put('interval', key, { version, final, settledIndex, touchedIndex: index });
  rows.put('due', key, true);
}
