/** A frame's samples of one counter, taken into its readings together where nothing is odd about them. */
import { mwh } from '@commonwatt/firmware-protocol';
import type { ChannelRow } from '../rows.js';
import type { Rows } from '../working-set.js';
import { type Front, putRow, segmentAt, sinceWith } from './channel-row.js';
import type { Readings } from './packed-readings.js';
import { type ChannelRef, channelHead, DAY_S, putReadingsOfDay, readingsOfDay } from './readings.js';
import { allowedMwh, foldSample, type LimitedChannel } from './samples.js';

/** Samples of one frame, rising in time: in columns, since a street sends hundreds of thousands of them. */
export interface SampleRun {
  readonly timesS: readonly number[];
  /** As many. */
  readonly valuesMwh: readonly number[];
  readonly trustedClock: boolean;
}

/** Takes samples in as `foldSample` would one by one. */
export function foldSamples(rows: Rows, channel: LimitedChannel, run: SampleRun, intervalS: number): void {
  if (foldRun(rows, channel, run, intervalS)) return;
  const { timesS, valuesMwh, trustedClock } = run;
  timesS.forEach((timeS, i) => {
    foldSample(rows, channel, { timeS, valueMwh: valuesMwh[i]!, trustedClock }, intervalS);
  });
}

/**
 * The common case in one step: every sample newer than all that is known, and going on from the one before. False, with
 * nothing done, where a single one needs a closer look.
 */
function foldRun(rows: Rows, channel: LimitedChannel, run: SampleRun, intervalS: number): boolean {
  const head = channelHead(rows, channel);
  if (head.candidate !== undefined || head.past !== undefined) return false;
  if (!isGoingOn(head.baseline, run, channel.limitW, intervalS)) return false;
  if (!appendRun(rows, channel, head, run)) return false;
  const { timesS, valuesMwh } = run;
  const baseline = { timeS: timesS.at(-1)!, valueMwh: mwh(valuesMwh.at(-1)!) };
  const { segments, accepted, flagged } = head;
  // Neither a candidate nor past counters: the row as putHead would write it.
  const row = { sinceS: sinceWith(head, timesS[0]!), segments, baseline, accepted: accepted + timesS.length, flagged };
  putRow(rows, channel, row);
  return true;
}

/** Every sample is later than the one before, and no less, and no more than the limit allows. */
function isGoingOn(before: Front['baseline'], { timesS, valuesMwh }: SampleRun, limitW: number, intervalS: number) {
  let [spanS, allowed] = [0, 0];
  for (let i = before === undefined ? 1 : 0; i < timesS.length; i++) {
    const fromS = i === 0 ? before!.timeS : timesS[i - 1]!;
    const riseMwh = valuesMwh[i]! - (i === 0 ? before!.valueMwh : valuesMwh[i - 1]!);
    if (timesS[i]! <= fromS) return false;
    // Most are as far apart as the two before.
    if (timesS[i]! - fromS !== spanS) {
      spanS = timesS[i]! - fromS;
      allowed = allowedMwh(limitW, spanS, intervalS);
    }
    if (riseMwh < 0 || riseMwh > allowed) return false;
  }
  return true;
}

/** False, with nothing done, where a day has a reading that is no older. */
function appendRun(rows: Rows, channel: ChannelRef, head: ChannelRow, run: SampleRun): boolean {
  const { timesS } = run;
  const days: { readonly timeS: number; readonly readings: Readings }[] = [];
  for (let from = 0; from < timesS.length; ) {
    const timeS = timesS[from]!;
    const endS = (Math.floor(timeS / DAY_S) + 1) * DAY_S;
    let to = from + 1;
    while (to < timesS.length && timesS[to]! < endS) to++;
    const day = readingsOfDay(rows, channel, timeS);
    if (day.length > 0 && day.timeS(day.length - 1) >= timeS) return false;
    days.push({ timeS, readings: day.withRun(run, from, to, (atS) => segmentAt(head, atS)) });
    from = to;
  }
  for (const { timeS, readings } of days) putReadingsOfDay(rows, channel, timeS, readings);
  return true;
}
