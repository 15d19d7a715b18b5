/**
 * Takes one sample of a counter into its readings, and says what it is worth (SETTLEMENT 3). A counter that steps back
 * or leaps beyond its limit is kept as a suspect: it is never an edge until it is confirmed. A leap is confirmed by the
 * next reading that goes on from it; a step back only by a signed counter event. Either way a new segment begins, and
 * no energy is ever booked across the break.
 */
import { mulDiv, mwh } from '@commonwatt/firmware-protocol';
import type { ChannelRow, StoredReading } from '../rows.js';
import type { Rows } from '../working-set.js';
import { MAX_OUTAGE_S } from './channel-edges.js';
import {
  breakAt,
  type Front,
  frontAt,
  isBeforeMemory,
  keptSince,
  MAX_PAST,
  putHead,
  segmentAt,
  sinceWith,
  withFront,
} from './channel-row.js';
import { Readings } from './packed-readings.js';
import {
  type ChannelRef,
  channelHead,
  DAY_S,
  daysFrom,
  putReadingsOfDay,
  readingsBetween,
  readingsOfDay,
} from './readings.js';

export interface Sample {
  readonly timeS: number;
  readonly valueMwh: number;
  readonly trustedClock: boolean;
}

export interface LimitedChannel extends ChannelRef {
  /** Nameplate power in W; 0: no limit. */
  readonly limitW: number;
}

/** What became of a sample. All but `good` and `repeat` count as flagged. */
export type SampleVerdict = 'good' | 'repeat' | 'overlap' | 'step-back' | 'leap';

export function foldSample(rows: Rows, channel: LimitedChannel, sample: Sample, intervalS: number): SampleVerdict {
  const head = channelHead(rows, channel);
  const day = readingsOfDay(rows, channel, sample.timeS);
  const known = day.at(day.firstAtOrAfter(sample.timeS));
  if (known?.timeS === sample.timeS) {
    if (known.valueMwh === sample.valueMwh) return 'repeat';
    putHead(rows, channel, { ...head, flagged: head.flagged + 1 });
    return 'overlap';
  }
  const { baseline } = frontAt(head, sample.timeS);
  const isNewest = baseline === undefined || sample.timeS > baseline.timeS;
  return isNewest && !isBeforeMemory(head, sample.timeS)
    ? foldNewest(rows, channel, head, sample, intervalS)
    : foldLate(rows, channel, head, sample, intervalS);
}

/** Newer than every good reading of its generation. */
function foldNewest(
  rows: Rows,
  channel: LimitedChannel,
  head: ChannelRow,
  sample: Sample,
  intervalS: number,
): SampleVerdict {
  const { baseline, candidate } = frontAt(head, sample.timeS);
  const allowed = (from: { timeS: number }) => allowedMwh(channel.limitW, sample.timeS - from.timeS, intervalS);
  if (candidate && sample.timeS > candidate.timeS && goesOn(candidate, sample, allowed(candidate))) {
    const broken = { ...head, segments: breakAt(head, candidate.timeS) };
    confirmSuspect(rows, channel, candidate.timeS, segmentAt(broken, candidate.timeS));
    return accept(rows, channel, broken, sample);
  }
  if (baseline && sample.valueMwh < baseline.valueMwh) return suspect(rows, channel, head, sample, 'step-back');
  if (baseline && !goesOn(baseline, sample, allowed(baseline))) {
    const waiting = { baseline, candidate: { timeS: sample.timeS, valueMwh: mwh(sample.valueMwh) } };
    return suspect(rows, channel, withFront(head, sample.timeS, waiting), sample, 'leap');
  }
  return accept(rows, channel, head, sample);
}

/** Older than the newest good reading of its generation: it has to fit between its neighbours in time. */
function foldLate(
  rows: Rows,
  channel: LimitedChannel,
  head: ChannelRow,
  sample: Sample,
  intervalS: number,
): SampleVerdict {
  const segment = segmentAt(head, sample.timeS);
  const instant = { timeS: sample.timeS, segment };
  const before = goodBefore(rows, channel, head, instant);
  const after = goodAfter(rows, channel, head, instant) ?? frontIn(head, sample.timeS, segment);
  const fits = (from: Sample | StoredReading, to: { timeS: number; valueMwh: number }) =>
    goesOn(from, to, allowedMwh(channel.limitW, to.timeS - from.timeS, intervalS));
  const isStepBack = (before && sample.valueMwh < before.valueMwh) || (after && after.valueMwh < sample.valueMwh);
  if (isStepBack) return suspect(rows, channel, head, sample, 'step-back');
  if ((before && !fits(before, sample)) || (after && !fits(sample, after))) {
    return suspect(rows, channel, head, sample, 'leap');
  }
  insert(rows, channel, { ...sample, segment, good: true });
  const sinceS = sinceWith(head, sample.timeS);
  putHead(rows, channel, { ...head, sinceS, accepted: head.accepted + 1 });
  return 'good';
}

type Instant = Pick<StoredReading, 'timeS' | 'segment'>;

/** The last good reading of the segment before an instant. Further away than an outage may be, none says anything of it. */
function goodBefore(
  rows: Rows,
  channel: ChannelRef,
  head: ChannelRow,
  { timeS, segment }: Instant,
): StoredReading | undefined {
  const firstS = Math.max(timeS - MAX_OUTAGE_S, head.sinceS ?? timeS);
  for (const dayS of daysFrom(rows, channel, timeS, firstS, -1)) {
    const readings = readingsOfDay(rows, channel, dayS);
    for (let i = readings.firstAtOrAfter(timeS) - 1; i >= 0; i--) {
      if (readings.isGood(i) && readings.segment(i) === segment) return readings.at(i);
    }
  }
  return undefined;
}

/** The first one after it, likewise. */
function goodAfter(
  rows: Rows,
  channel: ChannelRef,
  head: ChannelRow,
  { timeS, segment }: Instant,
): StoredReading | undefined {
  const endS = head.past?.find(({ untilS }) => timeS < untilS)?.untilS ?? head.baseline?.timeS ?? timeS;
  for (const dayS of daysFrom(rows, channel, timeS, Math.min(timeS + MAX_OUTAGE_S, endS), 1)) {
    const readings = readingsOfDay(rows, channel, dayS);
    for (let i = readings.firstAtOrAfter(timeS); i < readings.length; i++) {
      if (readings.isGood(i) && readings.segment(i) === segment) return readings.at(i);
    }
  }
  return undefined;
}

/** The newest good reading of the generation, where it is of this segment. */
function frontIn(head: ChannelRow, timeS: number, segment: number): Front['baseline'] {
  const { baseline } = frontAt(head, timeS);
  return baseline && segmentAt(head, baseline.timeS) === segment ? baseline : undefined;
}

/**
 * A signed event says that a new counter holds from `fromS`: what was read since then is folded again, in a segment of
 * its own. `days` of readings from `fromS` to `untilS` are touched. Readings of the counter before that come later are
 * still judged by it, so that it does not matter whether the event or they came first.
 */
export function startSegment(
  rows: Rows,
  channel: LimitedChannel,
  { fromS, untilS, intervalS }: { fromS: number; untilS: number; intervalS: number },
): void {
  const since = [...readingsBetween(rows, channel, fromS, untilS)].filter((reading) => reading.timeS >= fromS);
  for (let dayS = Math.floor(fromS / DAY_S) * DAY_S; dayS <= untilS; dayS += DAY_S) {
    const readings = readingsOfDay(rows, channel, dayS);
    const kept = [...readings].filter((reading) => reading.timeS < fromS);
    if (kept.length === readings.length) continue;
    putReadingsOfDay(rows, channel, dayS, Readings.of(kept));
  }
  const head = channelHead(rows, channel);
  const { past = [], accepted, flagged } = head;
  const ended = { untilS: fromS, ...frontBefore(rows, channel, head, fromS) };
  const counters = [...past.filter(({ untilS: endS }) => endS < fromS), ended].slice(-MAX_PAST);
  const segments = breakAt({ segments: head.segments }, fromS);
  putHead(rows, channel, { ...keptSince(head), segments, past: counters, accepted, flagged });
  for (const reading of since) foldSample(rows, channel, reading, intervalS);
  // The readings were counted when they came; folding them again does not make them more.
  putHead(rows, channel, { ...channelHead(rows, channel), accepted, flagged });
}

/** What the counter that ends at `fromS` had come to. */
function frontBefore(rows: Rows, channel: ChannelRef, head: ChannelRow, fromS: number): Front {
  const { baseline, candidate } = frontAt(head, fromS - 1);
  const newest =
    baseline && baseline.timeS >= fromS
      ? goodBefore(rows, channel, head, { timeS: fromS, segment: segmentAt(head, fromS - 1) })
      : baseline;
  return {
    ...(newest && { baseline: { timeS: newest.timeS, valueMwh: mwh(newest.valueMwh) } }),
    ...(candidate && candidate.timeS < fromS && { candidate }),
  };
}

/** 110 percent of the nameplate over the span, over one interval at least: mWh = W x s / 3.6. */
export function allowedMwh(limitW: number, spanS: number, intervalS: number): number {
  if (limitW === 0) return Number.MAX_SAFE_INTEGER;
  const seconds = Math.max(spanS, intervalS);
  // Past what a counter can hold there is nothing left to forbid.
  if (limitW * 11 * (seconds / 36) >= Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  return mulDiv(limitW * 11, seconds, 36).quotient;
}

function goesOn(from: { valueMwh: number }, to: { valueMwh: number }, allowed: number): boolean {
  return to.valueMwh >= from.valueMwh && to.valueMwh - from.valueMwh <= allowed;
}

function accept(rows: Rows, channel: LimitedChannel, head: ChannelRow, sample: Sample): SampleVerdict {
  insert(rows, channel, { ...sample, segment: segmentAt(head, sample.timeS), good: true });
  const baseline = { timeS: sample.timeS, valueMwh: mwh(sample.valueMwh) };
  const sinceS = sinceWith(head, sample.timeS);
  putHead(rows, channel, { ...withFront(head, sample.timeS, { baseline }), sinceS, accepted: head.accepted + 1 });
  return 'good';
}

function suspect(
  rows: Rows,
  channel: LimitedChannel,
  head: ChannelRow,
  sample: Sample,
  verdict: SampleVerdict,
): SampleVerdict {
  insert(rows, channel, { ...sample, segment: segmentAt(head, sample.timeS), good: false });
  const sinceS = sinceWith(head, sample.timeS);
  putHead(rows, channel, { ...head, sinceS, flagged: head.flagged + 1 });
  return verdict;
}

function insert(rows: Rows, channel: ChannelRef, reading: StoredReading): void {
  const day = readingsOfDay(rows, channel, reading.timeS);
  const at = day.firstAtOrAfter(reading.timeS);
  const { timeS, valueMwh, segment, good, trustedClock } = reading;
  const inserted =
    at === day.length ? day.appended(timeS, valueMwh, segment, good, trustedClock) : day.inserted(at, reading);
  putReadingsOfDay(rows, channel, timeS, inserted);
}

function confirmSuspect(rows: Rows, channel: ChannelRef, timeS: number, segment: number): void {
  const day = readingsOfDay(rows, channel, timeS);
  const at = day.firstAtOrAfter(timeS);
  putReadingsOfDay(rows, channel, timeS, day.replaced(at, { ...day.at(at)!, segment, good: true }));
}
