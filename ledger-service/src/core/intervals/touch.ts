/** Which intervals an entry has changed: those to which a meter contributes something else than before. */
import type { Quantity } from '@commonwatt/firmware-protocol';
import { type ChannelRow, type MeterRow, startKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { edgeReachS, edgeToleranceS, type IntervalSettings } from './edges.js';
import { EdgeCache, hasEdges, isSameState, type MeterState, meterState, primaryChannel } from './meter-state.js';
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
  const { starts: near, freshS } = intervalsAround(rows, row, touched);
  const outages = touched.settings.estimatesOutages ? outagesAround(rows, touched, near) : undefined;
  const starts = outages?.starts ?? near;
  const old = starts.filter((startS) => startS < freshS);
  const before = states(rows, touched, row, old);
  change();
  const edges = new EdgeCache(rows, touched.meter, touched.settings);
  const changed: ChangedInterval[] = [];
  old.forEach((startS, i) => {
    const after = meterState(edges, row, startS);
    if (!isSameState(before[i]!, after)) changed.push([startS, after.hasEdges]);
  });
  for (const startS of starts) if (startS >= freshS && hasEdges(edges, row, startS)) changed.push([startS, true]);
  changed.push(...(outages?.closed(row) ?? []));
  // All at once: each by itself would be a decision begun anew.
  const unread = changed.filter(([startS]) => !rows.isLoaded('interval', startKey(startS)));
  rows.require(unread.map(([startS]) => ({ table: 'interval', key: startKey(startS) })));
  for (const [startS, isKnown] of changed) touch(rows, startS, touched.index, isKnown);
}

interface Reached {
  /** Starts of the intervals next to any edge that the change can reach, each once, rising. */
  readonly starts: readonly number[];
  /** From here on the meter had no part in any of them before: their last edge lies behind all that was known. */
  readonly freshS: number;
}

function intervalsAround(rows: Rows, row: MeterRow, { meter, quantities, timesS, settings }: Touched): Reached {
  const heads = quantities.filter(isNetted).map((quantity) => channelHead(rows, { meter, quantity }));
  const starts = new Set<number>();
  if (heads.every((head) => isNewerThanAll(head, timesS[0]!))) {
    const [firstS, lastS] = [timesS[0]!, timesS.at(-1)!];
    addBetween(starts, { fromS: newestBefore(heads, firstS, settings), toS: lastS }, settings);
    // A meter has its part by its primary counter.
    const isToldByThese = quantities.includes(primaryChannel(row)?.quantity as Quantity);
    return { starts: [...starts], freshS: isToldByThese ? freshFrom(heads, settings) : Number.POSITIVE_INFINITY };
  }
  for (const timeS of timesS) addNear(starts, timeS, settings);
  for (const { candidate, past = [] } of heads) {
    // A leap that this change confirms stands before its own samples, maybe long before.
    for (const leap of [candidate, ...past.map((counter) => counter.candidate)]) {
      if (leap !== undefined) addNear(starts, leap.timeS, settings);
    }
  }
  return { starts: [...starts].sort((a, b) => a - b), freshS: Number.POSITIVE_INFINITY };
}

/** The first interval whose last edge no reading of these counters can be. */
function freshFrom(heads: readonly ChannelRow[], { intervalS }: IntervalSettings): number {
  const newestS = Math.max(...heads.map(({ baseline }) => baseline?.timeS ?? Number.NEGATIVE_INFINITY));
  return newestS + edgeToleranceS(intervalS) - intervalS + 1;
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
function touch(rows: Rows, startS: number, index: number, isKnownNow: boolean): void {
  if (startS < 0 || !rows.all('rules').some(([, rule]) => rule.firstIntervalS <= startS)) return;
  const key = startKey(startS);
  const known = rows.get('interval', key);
  if (known === undefined && !isKnownNow) return;
  const { version, final, settledIndex } = known ?? { version: 0, final: false, settledIndex: -1 };
  rows.put('interval', key, { version, final, settledIndex, touchedIndex: index });
  rows.put('due', key, true);
}
