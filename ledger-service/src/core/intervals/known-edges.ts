/**
 * The known edges on either side of an outage. Only a reading can make an edge known, so the search goes from reading to
 * reading and skips what lies between; it never looks further than the outage that is allowed.
 */
import type { Rows } from '../working-set.js';
import { edgeToleranceS, type IntervalSettings } from './edges.js';
import { type ChannelRef, channelHead, daysFrom, readingsOfDay } from './readings.js';

export interface EdgeSearch {
  readonly rows: Rows;
  readonly channel: ChannelRef;
  readonly settings: IntervalSettings;
  /** Seconds; edges further away are not looked for. */
  readonly maxOutageS: number;
  /** Whether an edge was read at this instant. */
  readonly isKnown: (edgeS: number) => boolean;
}

/** The first known edge after `edgeS`. */
export function nextKnownEdge(search: EdgeSearch, edgeS: number): number | undefined {
  const { rows, channel, settings, maxOutageS, isKnown } = search;
  const { intervalS } = settings;
  const toleranceS = edgeToleranceS(intervalS);
  const lastS = Math.min(edgeS + maxOutageS, newestGoodS(rows, channel) + toleranceS);
  if (lastS <= edgeS) return undefined;
  let fromS = edgeS + 1;
  for (const dayS of daysFrom(rows, channel, fromS, lastS + toleranceS, 1)) {
    const readings = readingsOfDay(rows, channel, dayS);
    for (let i = readings.firstAtOrAfter(fromS); i < readings.length; i++) {
      if (!readings.isGood(i)) continue;
      const timeS = readings.timeS(i);
      for (const candidateS of [ceilTo(timeS - toleranceS, intervalS), ceilTo(timeS, intervalS)]) {
        if (candidateS > lastS) return undefined;
        if (candidateS > edgeS && isKnown(candidateS)) return candidateS;
      }
      // Readings up to that edge could only make the same ones known.
      fromS = ceilTo(timeS, intervalS) + 1;
      i = readings.firstAtOrAfter(fromS) - 1;
    }
  }
  return undefined;
}

/** The last known edge before `edgeS`. */
export function previousKnownEdge(search: EdgeSearch, edgeS: number): number | undefined {
  const { rows, channel, settings, maxOutageS, isKnown } = search;
  const { intervalS } = settings;
  const toleranceS = edgeToleranceS(intervalS);
  const firstS = Math.max(edgeS - maxOutageS, (channelHead(rows, channel).sinceS ?? edgeS) - toleranceS);
  let untilS = edgeS;
  for (const dayS of daysFrom(rows, channel, edgeS - 1, firstS - toleranceS, -1)) {
    const readings = readingsOfDay(rows, channel, dayS);
    for (let i = readings.firstAtOrAfter(untilS) - 1; i >= 0; i = readings.firstAtOrAfter(untilS) - 1) {
      const timeS = readings.timeS(i);
      untilS = timeS;
      if (!readings.isGood(i)) continue;
      for (const candidateS of [floorTo(timeS + toleranceS, intervalS), floorTo(timeS, intervalS)]) {
        if (candidateS < firstS) return undefined;
        if (candidateS < edgeS && isKnown(candidateS)) return candidateS;
      }
      untilS = Math.max(floorTo(timeS, intervalS), 0);
    }
  }
  return undefined;
}

const floorTo = (timeS: number, stepS: number): number => Math.floor(timeS / stepS) * stepS;
const ceilTo = (timeS: number, stepS: number): number => Math.ceil(timeS / stepS) * stepS;

/** No good reading of the channel is newer. */
function newestGoodS(rows: Rows, channel: ChannelRef): number {
  const { baseline, past = [] } = channelHead(rows, channel);
  return Math.max(...[baseline, ...past.map((counter) => counter.baseline)].map((front) => front?.timeS ?? 0));
}
