/** Which intervals an entry has changed: those whose energy is another one than before. */
import { startKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { edgeReachS, type IntervalSettings } from './edges.js';
import { type ChannelRef, channelEnergy, channelHead } from './readings.js';

/** Counters that enter the netting: import and export at the connection point. */
export function isNetted(quantity: number): boolean {
  return quantity === 1 || quantity === 2;
}

/**
 * Runs `change` and marks the intervals around `[fromS, toS]` whose energy it changed as touched by entry `index`, and
 * as due where rules are in force. `fromS` and `toS` are the first and last instant whose readings may change.
 */
export function touchIntervals(
  rows: Rows,
  input: { channel: ChannelRef; fromS: number; toS: number; index: number; settings: IntervalSettings },
  change: () => void,
): void {
  const { channel, index, settings } = input;
  if (!isNetted(channel.quantity)) {
    change();
    return;
  }
  const starts = intervalsAround(rows, input);
  const before = states(rows, channel, starts, settings);
  change();
  const after = states(rows, channel, starts, settings);
  starts.forEach((startS, i) => {
    if (!isSame(before[i], after[i])) touch(rows, startS, index);
  });
}

/** Starts of the intervals next to any edge that the change can reach, each once, rising. */
function intervalsAround(
  rows: Rows,
  { channel, fromS, toS, settings }: { channel: ChannelRef; fromS: number; toS: number; settings: IntervalSettings },
): readonly number[] {
  // A leap that this change confirms stands before its own samples, maybe long before.
  const candidateS = channelHead(rows, channel).candidate?.timeS;
  const near = candidateS === undefined ? [] : startsNear(candidateS, candidateS, settings);
  return [...new Set([...near, ...startsNear(fromS, toS, settings)])].sort((a, b) => a - b);
}

function startsNear(fromS: number, toS: number, settings: IntervalSettings): readonly number[] {
  const { intervalS } = settings;
  const reachS = edgeReachS(settings);
  const firstEdgeS = Math.ceil((fromS - reachS) / intervalS) * intervalS;
  const starts: number[] = [];
  for (let startS = firstEdgeS - intervalS; startS <= toS + reachS; startS += intervalS) starts.push(startS);
  return starts;
}

type State = ReturnType<typeof channelEnergy>;

function states(
  rows: Rows,
  channel: ChannelRef,
  starts: readonly number[],
  settings: IntervalSettings,
): readonly State[] {
  return starts.map((startS) => channelEnergy(rows, channel, startS, settings));
}

function isSame(a: State, b: State): boolean {
  if (typeof a !== 'object' || typeof b !== 'object') return a === b;
  return a.energyMwh === b.energyMwh && a.quality === b.quality;
}

function touch(rows: Rows, startS: number, index: number): void {
  if (startS < 0 || !rows.all('rules').some(([, rule]) => rule.firstIntervalS <= startS)) return;
  const key = startKey(startS);
  const { version, final, settledIndex } = rows.get('interval', key) ?? { version: 0, final: false, settledIndex: -1 };
  rows.put('interval', key, { version, final, settledIndex, touchedIndex: index });
  rows.put('due', key, true);
}
