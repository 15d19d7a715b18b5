/** What accepted frames and the events around them do to the projections. */
import {
  advance,
  applyGap,
  channelValues,
  type FrameChannel,
  type FramePayload,
  type GapClaim,
  markForked,
  openEpoch,
  ProtocolError,
  type SequenceState,
  sampleTimesS,
  toHex,
  wireToMwh,
} from '@commonwatt/firmware-protocol';
import { withIndex } from '../frame-chunks.js';
import { putHead } from '../intervals/channel-row.js';
import type { IntervalSettings } from '../intervals/edges.js';
import { channelHead } from '../intervals/readings.js';
import { foldSamples, type SampleRun } from '../intervals/sample-run.js';
import type { LimitedChannel } from '../intervals/samples.js';
import { touchIntervals } from '../intervals/touch.js';
import { rowsOfOutages } from '../needs.js';
import type { MeterRecord } from '../records/index.js';
import { CHUNK_NUMBERS, chunkOf, frameKey, type SequenceRow } from '../rows.js';
import type { Rows } from '../working-set.js';

export interface AcceptedFrame {
  readonly index: number;
  readonly kid: string;
  readonly hash: Uint8Array;
  readonly payload: FramePayload;
  /** UTC second in which the bytes first came. */
  readonly receivedS: number;
}

/** Good time: from NTP, GNSS or held over from them (sources 1 to 3). */
const TRUSTED_SOURCES: readonly number[] = [1, 2, 3];
/** A sample may be this much ahead of its receipt, beside its own stated error. */
const FUTURE_TOLERANCE_S = 60;
/** But never more than this, whatever error it states: the future is not a place to keep readings. */
export const MAX_AHEAD_S = 3600;

/** Call with `rowsOfFrame` loaded; what is missing all the same is asked for one by one. */
export function foldFrame(rows: Rows, frame: AcceptedFrame, settings: IntervalSettings): void {
  foldSequence(rows, frame);
  const timesS = sampleTimesS(frame.payload);
  // Of all its meters at once: one after the other, each would be the end of what was done for those before.
  rows.require(rowsOfOutages(rows, frame.kid, frame.payload, settings));
  // What is not enrolled is kept in the log and counted nowhere.
  for (const meter of rows.get('device', frame.kid)!.meters) {
    const channels = frame.payload.channels.filter(({ meterIndex }) => meterIndex === meter.index);
    if (channels.length > 0) foldMeter(rows, frame, { meter, channels, timesS }, settings);
  }
}

function foldSequence(rows: Rows, { kid, hash, payload, receivedS, index }: AcceptedFrame): void {
  const row = rows.get('sequence', kid)!;
  const { number, mono } = payload;
  const state = advance(withParked(row), { number, hash });
  putSequence(rows, kid, {
    ...row,
    state,
    lastBoot: mono.boot,
    lastUptimeMs: mono.uptimeMs,
    lastReceivedS: receivedS,
    lastIndex: index,
    accepted: row.accepted + 1,
    recent: recentWith(rows, kid, row, { number, index }),
  });
  noteReceived(rows, receivedS);
}

type Recent = SequenceRow['recent'] | undefined;

/** The newest numbers with this one, which is above them all. Those whose chunk is over get their row. */
function recentWith(
  rows: Rows,
  kid: string,
  row: SequenceRow,
  { number, index }: { number: number; index: number },
): Recent {
  const chunk = chunkOf(number);
  const { recent } = row;
  if (recent !== undefined && recent.chunk !== chunk) keepChunk(rows, kid, row.state.epoch, recent);
  const entries = withIndex(recent?.chunk === chunk ? recent.entries : undefined, number, index);
  if (chunkOf(number + 1) === chunk) return { chunk, entries };
  keepChunk(rows, kid, row.state.epoch, { chunk, entries });
  return undefined;
}

function keepChunk(rows: Rows, kid: string, epoch: number, { chunk, entries }: NonNullable<Recent>): void {
  rows.put('frame', frameKey(kid, epoch, chunk * CHUNK_NUMBERS), entries);
}

function noteReceived(rows: Rows, receivedS: number): void {
  const community = rows.get('community', '')!;
  const newestReceivedS = Math.max(community.newestReceivedS, receivedS);
  const newestS = Math.max(community.newestS, receivedS);
  const isNews = newestReceivedS > community.newestReceivedS || newestS > community.newestS || community.isSealed;
  if (isNews) rows.put('community', '', { ...community, newestReceivedS, newestS, isSealed: false });
}

interface MeterSamples {
  readonly meter: MeterRecord;
  readonly channels: readonly FrameChannel[];
  readonly timesS: readonly number[];
}

interface MeterCounter {
  readonly ref: LimitedChannel;
  readonly run: SampleRun;
}

/** All counters of a meter together: what it contributes to an interval is looked at once before and once after. */
function foldMeter(rows: Rows, frame: AcceptedFrame, samples: MeterSamples, settings: IntervalSettings): void {
  const { meter, channels, timesS } = samples;
  const counters: MeterCounter[] = [];
  for (const channel of channels) {
    const enrolled = meter.channels.find(({ quantity }) => quantity === channel.quantity);
    if (enrolled === undefined) continue;
    const ref: LimitedChannel = { meter: meter.id, quantity: enrolled.quantity, limitW: enrolled.limitW };
    const run = usableRun(frame, channel, enrolled.exponent, timesS, settings);
    if (run.timesS.length < timesS.length) countFlagged(rows, ref, timesS.length - run.timesS.length);
    if (run.timesS.length > 0) counters.push({ ref, run });
  }
  if (counters.length === 0) return;
  const quantities = counters.map(({ ref }) => ref.quantity);
  const touched = { meter: meter.id, quantities, timesS: usedTimes(counters, timesS), index: frame.index, settings };
  touchIntervals(rows, touched, () => {
    for (const { ref, run } of counters) foldSamples(rows, ref, run, settings.intervalS);
  });
}

/** Of the frame's instants those with a sample that any counter can use, rising. */
function usedTimes(counters: readonly MeterCounter[], timesS: readonly number[]): readonly number[] {
  if (counters.some(({ run }) => run.timesS.length === timesS.length)) return timesS;
  const used = new Set(counters.flatMap(({ run }) => run.timesS));
  return timesS.filter((timeS) => used.has(timeS));
}

const NOTHING_USABLE: SampleRun = { timesS: [], valuesMwh: [], trustedClock: false };

/** Samples that can be readings at all: status good, not from the future, and of a size that counts exactly. */
function usableRun(
  { payload, receivedS }: AcceptedFrame,
  channel: FrameChannel,
  exponent: number,
  timesS: readonly number[],
  { intervalS }: IntervalSettings,
): SampleRun {
  if (channel.status !== 0 || channel.quantity > 5) return NOTHING_USABLE;
  const { source, errorMs } = payload.clock;
  const trustedClock = TRUSTED_SOURCES.includes(source) && errorMs <= intervalS * 10;
  const latestS = receivedS + Math.min(FUTURE_TOLERANCE_S + errorMs / 1000, MAX_AHEAD_S);
  const exact = exactMwh(channel, exponent);
  if (exact !== undefined && timesS.at(-1)! <= latestS) return { timesS, valuesMwh: exact, trustedClock };
  const values = exact ?? channelValues(channel).map((value) => toMwh(value, exponent));
  const usable = timesS.flatMap((timeS, i) => (values[i] === undefined || timeS > latestS ? [] : [i]));
  return { timesS: usable.map((i) => timesS[i]!), valuesMwh: usable.map((i) => values[i]!), trustedClock };
}

/** In doubles, where all of them count exactly; undefined where one may not. */
function exactMwh({ first, deltas }: FrameChannel, exponent: number): readonly number[] | undefined {
  const scale = 10 ** (exponent + 3);
  // A sum that is exact and in range so far tells whether the next one is: what passes 2^53 on the way leaves the range.
  let valueMwh = Number(first) * scale;
  const values = [valueMwh];
  for (const delta of deltas) {
    valueMwh += delta * scale;
    values.push(valueMwh);
  }
  return values.every((value) => value >= 0 && value <= Number.MAX_SAFE_INTEGER) ? values : undefined;
}

/** A counter past 2^53 - 1 mWh cannot be counted exactly: a flag, never a rounded value. */
function toMwh(value: bigint, exponent: number): number | undefined {
  try {
    return wireToMwh(value, exponent);
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'out-of-range') return undefined;
    throw error;
  }
}

function countFlagged(rows: Rows, ref: LimitedChannel, count: number): void {
  const head = channelHead(rows, ref);
  putHead(rows, ref, { ...head, flagged: head.flagged + count });
}

/** Closed gaps that a row remembers. Of older ones only that their frames are not there: enough to tell a replay. */
const MAX_GAPS = 256;

/** A frame that waits, with the epoch it belongs to. */
export type ParkedInEpoch = SequenceState['parked'][number] & { readonly epoch: number };

const NOBODY: readonly ParkedInEpoch[] = [];

/**
 * Parked frames are a source, not part of the row. Another writer may have gone on since they were kept: those of another
 * epoch, or whose number has passed, wait for nothing any more.
 */
export function withParked({ state }: SequenceRow, parked: readonly ParkedInEpoch[] = NOBODY): SequenceState {
  const { epoch, next, expectedPrevious, forked, gaps } = state;
  const waiting =
    parked.length === 0 ? parked : parked.filter((frame) => frame.epoch === epoch && frame.number >= next);
  return { epoch, next, expectedPrevious, forked, gaps, parked: waiting };
}

/** The state as a frame of this number finds it: a number below the next one that no frame has lies in a gap. */
export function withGapAt(state: SequenceState, number: number, isAccepted: boolean): SequenceState {
  return number >= state.next || isAccepted ? state : { ...state, gaps: [{ first: number, last: number }] };
}

/** `request`: the box asked for it; absent where the ledger closed the gap by itself. */
export function foldGap(
  rows: Rows,
  kid: string,
  claim: GapClaim,
  request?: { readonly index: number; readonly hash: Uint8Array },
): void {
  const row = rows.get('sequence', kid)!;
  const asked = request && { gapRequest: toHex(request.hash), gapIndex: request.index };
  putSequence(rows, kid, { ...row, state: applyGap(withParked(row), claim), ...asked });
}

export function foldFork(rows: Rows, kid: string): void {
  const row = rows.get('sequence', kid)!;
  putSequence(rows, kid, { ...row, state: markForked(withParked(row)) });
}

export function foldGatewayEpoch(
  rows: Rows,
  entry: { readonly index: number; readonly leafHash: Uint8Array },
  kid: string,
  requestHash: Uint8Array,
): void {
  const row = rows.get('sequence', kid)!;
  const opening = { epoch: row.state.epoch + 1, openingLeafHash: entry.leafHash };
  const state = openEpoch(withParked(row), opening);
  if (row.recent !== undefined) keepChunk(rows, kid, row.state.epoch, row.recent);
  putSequence(rows, kid, {
    ...row,
    recent: undefined,
    state,
    openingIndex: entry.index,
    openingRequest: toHex(requestHash),
  });
}

/** Fields in one order, so that the row's text is canonical. */
function putSequence(rows: Rows, kid: string, row: Omit<SequenceRow, 'recent'> & { recent?: Recent }): void {
  const { epoch, next, expectedPrevious, forked, gaps } = row.state;
  rows.put('sequence', kid, {
    state: { epoch, next, expectedPrevious, forked, gaps: gaps.slice(-MAX_GAPS) },
    lastBoot: row.lastBoot,
    lastUptimeMs: row.lastUptimeMs,
    lastReceivedS: row.lastReceivedS,
    lastIndex: row.lastIndex,
    accepted: row.accepted,
    openingIndex: row.openingIndex,
    ...(row.openingRequest !== undefined && { openingRequest: row.openingRequest }),
    ...(row.gapRequest !== undefined && { gapRequest: row.gapRequest }),
    ...(row.gapIndex !== undefined && { gapIndex: row.gapIndex }),
    ...(row.recent !== undefined && { recent: row.recent }),
  });
}
