/** From readings to edge values to interval energies (SETTLEMENT 2). */
import { mulDiv } from '@commonwatt/firmware-protocol';
import type { Quality } from '../records/index.js';
import type { StoredReading } from '../rows.js';

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

/** Index of the first reading at or after `timeS`. */
export function firstAtOrAfter(readings: readonly StoredReading[], timeS: number): number {
  let low = 0;
  let high = readings.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (readings[middle]!.timeS < timeS) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The value at `edgeS`, or undefined when nobody knows it. `readings` are sorted by time and reach at least
 * `edgeReachS` to both sides.
 */
export function edgeAt(
  readings: readonly StoredReading[],
  edgeS: number,
  settings: IntervalSettings,
): Edge | undefined {
  return (
    measuredAt(readings, edgeS, edgeToleranceS(settings.intervalS)) ??
    interpolatedAt(readings, edgeS, settings.maxSpanS)
  );
}

/** Of several within the tolerance the nearest counts, of two as near the earlier. */
function measuredAt(readings: readonly StoredReading[], edgeS: number, toleranceS: number): Edge | undefined {
  let best: StoredReading | undefined;
  for (let i = firstAtOrAfter(readings, edgeS - toleranceS); i < readings.length; i++) {
    const reading = readings[i]!;
    if (reading.timeS > edgeS + toleranceS) break;
    if (!reading.good || !reading.trustedClock) continue;
    if (best === undefined || Math.abs(reading.timeS - edgeS) < Math.abs(best.timeS - edgeS)) best = reading;
  }
  return best && { valueMwh: best.valueMwh, quality: 0, segment: best.segment };
}

/** On the straight line between the last good reading before and the first after; rounded down to mWh. */
function interpolatedAt(readings: readonly StoredReading[], edgeS: number, maxSpanS: number): Edge | undefined {
  if (maxSpanS === 0) return undefined;
  const at = firstAtOrAfter(readings, edgeS);
  const after = goodFrom(readings, at, 1);
  if (after?.timeS === edgeS) return { valueMwh: after.valueMwh, quality: 1, segment: after.segment };
  const before = goodFrom(readings, at - 1, -1);
  if (!before || !after || before.segment !== after.segment) return undefined;
  const spanS = after.timeS - before.timeS;
  if (spanS > maxSpanS) return undefined;
  const rise = mulDiv(after.valueMwh - before.valueMwh, edgeS - before.timeS, spanS).quotient;
  return { valueMwh: before.valueMwh + rise, quality: 1, segment: before.segment };
}

/** Whether there would be an edge if every reading were good and of one counter. */
export function wasReadAt(readings: readonly StoredReading[], edgeS: number, settings: IntervalSettings): boolean {
  const toleranceS = edgeToleranceS(settings.intervalS);
  for (let i = firstAtOrAfter(readings, edgeS - toleranceS); i < readings.length; i++) {
    const reading = readings[i]!;
    if (reading.timeS > edgeS + toleranceS) break;
    if (reading.trustedClock) return true;
  }
  if (settings.maxSpanS === 0) return false;
  const at = firstAtOrAfter(readings, edgeS);
  const before = readings[at - 1];
  const after = readings[at];
  if (after?.timeS === edgeS) return true;
  return before !== undefined && after !== undefined && after.timeS - before.timeS <= settings.maxSpanS;
}

function goodFrom(readings: readonly StoredReading[], from: number, step: 1 | -1): StoredReading | undefined {
  for (let i = from; i >= 0 && i < readings.length; i += step) if (readings[i]!.good) return readings[i];
  return undefined;
}

/** The energy between two edges: only inside one segment of the counter, with the worse quality of the two. */
export function energyBetween(start: Edge | undefined, end: Edge | undefined): Energy | undefined {
  if (!start || !end || start.segment !== end.segment) return undefined;
  const quality = Math.max(start.quality, end.quality) as Quality;
  return { energyMwh: end.valueMwh - start.valueMwh, quality };
}
