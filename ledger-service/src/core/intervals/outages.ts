/**
 * How far a change of readings reaches where outages are estimated (SETTLEMENT 2.1): an edge that becomes known, or another,
 * moves every estimate between it and the known edges on its two sides.
 */
import type { MeterRow } from '../rows.js';
import type { Rows } from '../working-set.js';
import type { ChannelEdges } from './channel-edges.js';
import type { IntervalSettings } from './edges.js';
import { EdgeCache, isSameState, meterState } from './meter-state.js';
import { isNetted } from './readings.js';

/** `isKnown`: the meter has both edges now. */
export type ChangedInterval = readonly [startS: number, isKnown: boolean];

/** Intervals beyond those next to the readings that change. */
export interface ReachedOutages {
  /** Starts of all that have to be looked at before the change and after it, rising. */
  readonly starts: readonly number[];
  /** After the change: what outages before `starts` came to that it has closed. */
  readonly closed: (row: MeterRow) => readonly ChangedInterval[];
}

interface ChangingMeter {
  readonly meter: string;
  readonly quantities: readonly number[];
  readonly settings: IntervalSettings;
}

/** Call before the change. `near`: starts of the intervals next to any edge that it can reach, rising. */
export function outagesAround(rows: Rows, changing: ChangingMeter, near: readonly number[]): ReachedOutages {
  const [firstS, lastS] = [near[0], near.at(-1)];
  if (firstS === undefined || lastS === undefined) return { starts: near, closed: () => [] };
  const { intervalS } = changing.settings;
  const edges = new EdgeCache(rows, changing.meter, changing.settings);
  let [fromS, toS] = [firstS, lastS + intervalS];
  const open: number[] = [];
  for (const quantity of changing.quantities.filter(isNetted)) {
    const channel = edges.channel(quantity);
    toS = Math.max(toS, channel.knownFrom(lastS + intervalS) ?? toS);
    if (channel.isKnown(firstS)) continue;
    // While nothing is known behind it, an outage has no estimates: what it comes to is looked at when the change has closed it.
    if (channel.knownFrom(firstS) === undefined) open.push(quantity);
    else fromS = Math.min(fromS, channel.knownUntil(firstS) ?? fromS);
  }
  return {
    starts: startsBetween(fromS, toS, intervalS),
    closed: (row) => (open.length === 0 ? [] : closedOutages(rows, changing, { row, open, firstS, fromS, toS })),
  };
}

interface OpenOutages {
  readonly row: MeterRow;
  /** Counters of which no edge was known from `firstS` on. */
  readonly open: readonly number[];
  readonly firstS: number;
  /** What lies from here on is looked at already. */
  readonly fromS: number;
  readonly toS: number;
}

function closedOutages(
  rows: Rows,
  { meter, settings }: ChangingMeter,
  { row, open, firstS, fromS, toS }: OpenOutages,
): readonly ChangedInterval[] {
  const now = new EdgeCache(rows, meter, settings);
  const sinceS = Math.min(...open.map((quantity) => outageStart(now.channel(quantity), firstS, toS) ?? fromS));
  const before = new EdgeCache(rows, meter, settings, new Map(open.map((quantity) => [quantity, firstS])));
  return startsBetween(sinceS, fromS, settings.intervalS).flatMap((startS) => {
    const after = meterState(now, row, startS);
    return isSameState(meterState(before, row, startS), after) ? [] : [[startS, after.hasEdges] as const];
  });
}

/** Where the outage begins that an edge up to `toS` has closed. */
function outageStart(channel: ChannelEdges, firstS: number, toS: number): number | undefined {
  const endS = channel.knownFrom(firstS);
  return endS === undefined || endS > toS ? undefined : channel.knownUntil(firstS);
}

function startsBetween(fromS: number, toS: number, intervalS: number): readonly number[] {
  const starts: number[] = [];
  for (let startS = fromS; startS < toS; startS += intervalS) starts.push(startS);
  return starts;
}
