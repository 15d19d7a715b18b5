/**
 * Takes one sample of a counter into its readings, and says what it is worth (SETTLEMENT 3). A counter that steps back
 * or leaps beyond its limit is kept as a suspect: it is never an edge until it is confirmed. A leap is confirmed by the
 * next reading that goes on from it; a step back only by a signed counter event. Either way a new segment begins, and
 * no energy is ever booked across the break.
 */
import { mulDiv, mwh } from '@commonwatt/firmware-protocol';
import { type ChannelRow, channelKey, readingsKey, type StoredReading } from '../rows.js';
import type { Rows } from '../working-set.js';
import { firstAtOrAfter } from './edges.js';
import { type ChannelRef, channelHead, DAY_S, readingsBetween, readingsOfDay } from './readings.js';

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

/** Breaks of one counter that are remembered; older readings that arrive late count to the oldest. */
const MAX_SEGMENTS = 64;

export function foldSample(rows: Rows, channel: LimitedChannel, sample: Sample, intervalS: number): SampleVerdict {
  const head = channelHead(rows, channel);
  const day = readingsOfDay(rows, channel, sample.timeS);
  const known = day[firstAtOrAfter(day, sample.timeS)];
  if (known?.timeS === sample.timeS) {
    if (known.valueMwh === sample.valueMwh) return 'repeat';
    putHead(rows, channel, { ...head, flagged: head.flagged + 1 });
    return 'overlap';
  }
  const isNewest = head.baseline === undefined || sample.timeS > head.baseline.timeS;
  return isNewest
    ? foldNewest(rows, channel, head, sample, intervalS)
    : foldLate(rows, channel, head, sample, intervalS);
}

function foldNewest(
  rows: Rows,
  channel: LimitedChannel,
  head: ChannelRow,
  sample: Sample,
  intervalS: number,
): SampleVerdict {
  const { baseline, candidate } = head;
  const allowed = (from: { timeS: number }) => allowedMwh(channel.limitW, sample.timeS - from.timeS, intervalS);
  if (candidate && sample.timeS > candidate.timeS && goesOn(candidate, sample, allowed(candidate))) {
    const broken = breakSegment(head, candidate.timeS);
    confirmSuspect(rows, channel, candidate.timeS, lastSegment(broken));
    return accept(rows, channel, { ...broken, accepted: head.accepted + 1 }, sample);
  }
  if (baseline && sample.valueMwh < baseline.valueMwh) return suspect(rows, channel, head, sample, 'step-back');
  if (baseline && !goesOn(baseline, sample, allowed(baseline))) {
    const waiting = { ...head, candidate: { timeS: sample.timeS, valueMwh: mwh(sample.valueMwh) } };
    return suspect(rows, channel, waiting, sample, 'leap');
  }
  return accept(rows, channel, head, sample);
}

/** Older than the newest good reading: it has to fit between its neighbours in time. */
function foldLate(
  rows: Rows,
  channel: LimitedChannel,
  head: ChannelRow,
  sample: Sample,
  intervalS: number,
): SampleVerdict {
  const segment = segmentAt(head, sample.timeS);
  const around = readingsBetween(rows, channel, sample.timeS - DAY_S, sample.timeS + DAY_S);
  const inSegment = around.filter((reading) => reading.good && reading.segment === segment);
  const at = firstAtOrAfter(inSegment, sample.timeS);
  const before = inSegment[at - 1];
  const after = inSegment[at] ?? (segment === lastSegment(head) ? head.baseline : undefined);
  const fits = (from: Sample | StoredReading, to: { timeS: number; valueMwh: number }) =>
    goesOn(from, to, allowedMwh(channel.limitW, to.timeS - from.timeS, intervalS));
  const isStepBack = (before && sample.valueMwh < before.valueMwh) || (after && after.valueMwh < sample.valueMwh);
  if (isStepBack) return suspect(rows, channel, head, sample, 'step-back', segment);
  if ((before && !fits(before, sample)) || (after && !fits(sample, after))) {
    return suspect(rows, channel, head, sample, 'leap', segment);
  }
  insert(rows, channel, { ...sample, segment, good: true });
  putHead(rows, channel, { ...head, accepted: head.accepted + 1 });
  return 'good';
}

/**
 * A signed event says that a new counter holds from `fromS`: what was read since then is folded again, in a segment of
 * its own. `days` of readings from `fromS` to `untilS` are touched.
 */
export function startSegment(
  rows: Rows,
  channel: LimitedChannel,
  { fromS, untilS, intervalS }: { fromS: number; untilS: number; intervalS: number },
): void {
  const since = readingsBetween(rows, channel, fromS, untilS).filter((reading) => reading.timeS >= fromS);
  for (let dayS = Math.floor(fromS / DAY_S) * DAY_S; dayS <= untilS; dayS += DAY_S) {
    const kept = readingsOfDay(rows, channel, dayS).filter((reading) => reading.timeS < fromS);
    rows.put('readings', readingsKey(channel.meter, channel.quantity, dayS), kept);
  }
  const { segments, accepted, flagged } = breakSegment(channelHead(rows, channel), fromS);
  putHead(rows, channel, { segments, accepted, flagged });
  for (const reading of since) foldSample(rows, channel, reading, intervalS);
  // The readings were counted when they came; folding them again does not make them more.
  putHead(rows, channel, { ...channelHead(rows, channel), accepted, flagged });
}

/** 110 percent of the nameplate over the span, over one interval at least: mWh = W x s / 3.6. */
function allowedMwh(limitW: number, spanS: number, intervalS: number): number {
  if (limitW === 0) return Number.MAX_SAFE_INTEGER;
  return mulDiv(limitW * 11, Math.max(spanS, intervalS), 36).quotient;
}

function goesOn(from: { valueMwh: number }, to: { valueMwh: number }, allowed: number): boolean {
  return to.valueMwh >= from.valueMwh && to.valueMwh - from.valueMwh <= allowed;
}

function accept(rows: Rows, channel: LimitedChannel, head: ChannelRow, sample: Sample): SampleVerdict {
  insert(rows, channel, { ...sample, segment: lastSegment(head), good: true });
  const { segments, accepted, flagged } = head;
  const baseline = { timeS: sample.timeS, valueMwh: mwh(sample.valueMwh) };
  putHead(rows, channel, { segments, baseline, accepted: accepted + 1, flagged });
  return 'good';
}

function suspect(
  rows: Rows,
  channel: LimitedChannel,
  head: ChannelRow,
  sample: Sample,
  verdict: SampleVerdict,
  segment = lastSegment(head),
): SampleVerdict {
  insert(rows, channel, { ...sample, segment, good: false });
  putHead(rows, channel, { ...head, flagged: head.flagged + 1 });
  return verdict;
}

function insert(rows: Rows, channel: ChannelRef, reading: StoredReading): void {
  const day = readingsOfDay(rows, channel, reading.timeS);
  const at = firstAtOrAfter(day, reading.timeS);
  const { timeS, valueMwh, segment, good, trustedClock } = reading;
  const stored = { timeS, valueMwh, segment, good, trustedClock };
  rows.put('readings', readingsKey(channel.meter, channel.quantity, timeS), day.toSpliced(at, 0, stored));
}

function confirmSuspect(rows: Rows, channel: ChannelRef, timeS: number, segment: number): void {
  const day = readingsOfDay(rows, channel, timeS);
  const confirmed = day.map((reading) => (reading.timeS === timeS ? { ...reading, segment, good: true } : reading));
  rows.put('readings', readingsKey(channel.meter, channel.quantity, timeS), confirmed);
}

function breakSegment(head: ChannelRow, fromS: number): ChannelRow {
  const segments = [...head.segments, { segment: lastSegment(head) + 1, fromS }].slice(-MAX_SEGMENTS);
  return { ...head, segments };
}

function lastSegment(head: ChannelRow): number {
  return head.segments.at(-1)!.segment;
}

function segmentAt(head: ChannelRow, timeS: number): number {
  return (head.segments.findLast(({ fromS }) => fromS <= timeS) ?? head.segments[0]!).segment;
}

/** Fields in one order, so that the row's text is canonical. */
function putHead(rows: Rows, { meter, quantity }: ChannelRef, head: ChannelRow): void {
  const { segments, baseline, candidate, accepted, flagged } = head;
  rows.put('channel', channelKey(meter, quantity), {
    segments,
    ...(baseline && { baseline }),
    ...(candidate && { candidate }),
    accepted,
    flagged,
  });
}
