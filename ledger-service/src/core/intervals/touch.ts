/** Which intervals an entry has changed: those to which a meter contributes something else than before. */
import { type MeterRow, startKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { edgeReachS, type IntervalSettings } from './edges.js';
import { EdgeCache, type MeterState, meterState } from './meter-state.js';
import { channelHead, isNetted } from './readings.js';

export interface TouchedRange {
  readonly meter: string;
  /** The meter's channels whose readings change. */
  readonly quantities: readonly number[];
  /** First and last instant whose readings may change. */
  readonly fromS: number;
  readonly toS: number;
  /** The entry that changes them. */
  readonly index: number;
  readonly settings: IntervalSettings;
}

/**
 * Runs `change` and marks the intervals around `[fromS, toS]` in which it changed what the meter contributes as touched by
 * entry `index`, and as due where rules are in force.
 */
export function touchIntervals(rows: Rows, range: TouchedRange, change: () => void): void {
  const row = rows.get('meter', range.meter);
  if (row === undefined || !range.quantities.some(isNetted)) {
    change();
    return;
  }
  const starts = intervalsAround(rows, range);
  const before = states(rows, range, row, starts);
  change();
  const after = states(rows, range, row, starts);
  starts.forEach((startS, i) => {
    if (!isSame(before[i]!, after[i]!)) touch(rows, startS, range.index, after[i]!);
  });
}

/** Starts of the intervals next to any edge that the change can reach, each once, rising. */
function intervalsAround(rows: Rows, { meter, quantities, fromS, toS, settings }: TouchedRange): readonly number[] {
  const starts = new Set(startsNear(fromS, toS, settings));
  for (const quantity of quantities.filter(isNetted)) {
    const { candidate, past } = channelHead(rows, { meter, quantity });
    // A leap that this change confirms stands before its own samples, maybe long before.
    for (const leap of [candidate, past?.candidate]) {
      if (leap !== undefined) for (const startS of startsNear(leap.timeS, leap.timeS, settings)) starts.add(startS);
    }
  }
  return [...starts].sort((a, b) => a - b);
}

function startsNear(fromS: number, toS: number, settings: IntervalSettings): readonly number[] {
  const { intervalS } = settings;
  const reachS = edgeReachS(settings);
  const firstEdgeS = Math.ceil((fromS - reachS) / intervalS) * intervalS;
  const starts: number[] = [];
  for (let startS = firstEdgeS - intervalS; startS <= toS + reachS; startS += intervalS) starts.push(startS);
  return starts;
}

function states(
  rows: Rows,
  { meter, settings }: TouchedRange,
  row: MeterRow,
  starts: readonly number[],
): readonly MeterState[] {
  const edges = new EdgeCache(rows, meter, settings);
  return starts.map((startS) => meterState(edges, row, startS));
}

function isSame(a: MeterState, b: MeterState): boolean {
  return (
    a.hasEdges === b.hasEdges && a.importMwh === b.importMwh && a.exportMwh === b.exportMwh && a.quality === b.quality
  );
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
