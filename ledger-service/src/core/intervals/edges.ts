/** From readings to edge values to interval energies (SETTLEMENT 2). */
import { mulDiv } from '@commonwatt/firmware-protocol';
import type { Quality } from '../records/index.js';
import type { Readings } from './packed-readings.js';

export interface IntervalSettings {
  /** Seconds; 300, 900, 1800 or 3600. */
  readonly intervalS: number;
  /** How far apart two readings may be to interpolate between them, seconds; 0 forbids it. */
  readonly maxSpanS: number;
  /** Edges in an outage are estimated once a reading after it is there; absent: they stay unknown. */
  readonly estimatesOutages?: boolean;
}

/** A counter's value at the edge between two intervals. */
export interface Edge {
  readonly valueMwh: number;
  /** 0 measured, 1 interpolated, 3 estimated. */
  readonly quality: Quality;
  readonly segment: number;
}

export interface Energy {
  /** >= 0. */
  readonly energyMwh: number;
  readonly quality: Quality;
}

/** A reading this close to an edge, inclusive, is its value as it stands: 1 percent of the interval. */
export function edgeToleranceS(intervalS: number): number {
  return intervalS / 100;
}

/** Readings further away than this from an edge say nothing about it. */
export function edgeReachS({ intervalS, maxSpanS }: IntervalSettings): number {
  return Math.max(edgeToleranceS(intervalS), maxSpanS);
}

/**
 * The value at `edgeS`, or undefined when nobody knows it. `readings` are sorted by time and reach at least
 * `edgeReachS` to both sides.
 */
export function edgeAt(readings: Readings, edgeS: number, settings: IntervalSettings): Edge | undefined {
  return (
    measuredAt(readings, edgeS, edgeToleranceS(settings.intervalS)) ??
    interpolatedAt(readings, edgeS, settings.maxSpanS)
  );
}

/** Of several within the tolerance the nearest counts, of two as near the earlier. */
function measuredAt(readings: Readings, edgeS: number, toleranceS: number): Edge | undefined {
  let best = -1;
  let bestS = Number.POSITIVE_INFINITY;
  for (let i = readings.firstAtOrAfter(edgeS - toleranceS); i < readings.length; i++) {
    const awayS = readings.timeS(i) - edgeS;
    if (awayS > toleranceS) break;
    if (Math.abs(awayS) >= bestS || !readings.isGood(i) || !readings.isTrusted(i)) continue;
    best = i;
    bestS = Math.abs(awayS);
  }
  return best < 0 ? undefined : edgeOf(readings, best, 0);
}

/** On the straight line between the last good reading before and the first after; rounded down to mWh. */
function interpolatedAt(readings: Readings, edgeS: number, maxSpanS: number): Edge | undefined {
  if (maxSpanS === 0) return undefined;
  const at = readings.firstAtOrAfter(edgeS);
  const after = goodFrom(readings, at, 1);
  if (after === undefined) return undefined;
  if (readings.timeS(after) === edgeS) return edgeOf(readings, after, 1);
  const before = goodFrom(readings, at - 1, -1);
  if (before === undefined || readings.segment(before) !== readings.segment(after)) return undefined;
  const spanS = readings.timeS(after) - readings.timeS(before);
  if (spanS > maxSpanS) return undefined;
  const startMwh = readings.valueMwh(before);
  const roseMwh = readings.valueMwh(after) - startMwh;
  if (roseMwh < 0) return undefined;
  const rise = mulDiv(roseMwh, edgeS - readings.timeS(before), spanS).quotient;
  return { valueMwh: startMwh + rise, quality: 1, segment: readings.segment(before) };
}

function edgeOf(readings: Readings, i: number, quality: Quality): Edge {
  return { valueMwh: readings.valueMwh(i), quality, segment: readings.segment(i) };
}

/** Whether there would be an edge if every reading were good and of one counter. */
export function wasReadAt(readings: Readings, edgeS: number, settings: IntervalSettings): boolean {
  const toleranceS = edgeToleranceS(settings.intervalS);
  for (let i = readings.firstAtOrAfter(edgeS - toleranceS); i < readings.length; i++) {
    if (readings.timeS(i) > edgeS + toleranceS) break;
    if (readings.isTrusted(i)) return true;
  }
  if (settings.maxSpanS === 0) return false;
  const at = readings.firstAtOrAfter(edgeS);
  if (at === readings.length) return false;
  if (readings.timeS(at) === edgeS) return true;
  return at > 0 && readings.timeS(at) - readings.timeS(at - 1) <= settings.maxSpanS;
}

function goodFrom(readings: Readings, from: number, step: 1 | -1): number | undefined {
  for (let i = from; i >= 0 && i < readings.length; i += step) if (readings.isGood(i)) return i;
  return undefined;
}

/** The energy between two edges: only inside one segment of the counter, with the worse quality of the two. */
export function energyBetween(start: Edge | undefined, end: Edge | undefined): Energy | undefined {
  if (!start || !end || !goesOn(start, end)) return undefined;
  const quality = Math.max(start.quality, end.quality) as Quality;
  return { energyMwh: end.valueMwh - start.valueMwh, quality };
}

/** One counter, and no less later than before. Good readings are so; if ever they were not, it is nobody else's trouble. */
export function goesOn(start: Edge, end: Edge): boolean {
  return start.segment === end.segment && start.valueMwh <= end.valueMwh;
}
