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
import type { IntervalSettings } from '../intervals/edges.js';
import { channelHead } from '../intervals/readings.js';
import { foldSample, type LimitedChannel, type Sample } from '../intervals/samples.js';
import { touchIntervals } from '../intervals/touch.js';
import { rowsOfFrame } from '../needs.js';
import { channelKey, frameKey, type SequenceRow } from '../rows.js';
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

export function foldFrame(rows: Rows, frame: AcceptedFrame, settings: IntervalSettings): void {
  rows.require(rowsOfFrame(rows, frame.kid, frame.payload, settings));
  foldSequence(rows, frame);
  const { epoch, number } = frame.payload;
  rows.put('frame', frameKey(frame.kid, epoch, number), { index: frame.index, hash: toHex(frame.hash) });
  const timesS = sampleTimesS(frame.payload);
  const meters = rows.get('device', frame.kid)!.meters;
  for (const channel of frame.payload.channels) {
    const meter = meters.find(({ index }) => index === channel.meterIndex);
    const enrolled = meter?.channels.find(({ quantity }) => quantity === channel.quantity);
    // What is not enrolled is kept in the log and counted nowhere.
    if (meter === undefined || enrolled === undefined) continue;
    const ref = { meter: meter.id, quantity: enrolled.quantity, limitW: enrolled.limitW };
    foldChannel(rows, frame, { ref, exponent: enrolled.exponent, channel, timesS }, settings);
  }
}

function foldSequence(rows: Rows, { kid, hash, payload, receivedS, index }: AcceptedFrame): void {
  const row = rows.get('sequence', kid)!;
  const state = advance(withParked(row), { number: payload.number, hash });
  putSequence(rows, kid, {
    ...row,
    state,
    lastBoot: payload.mono.boot,
    lastUptimeMs: payload.mono.uptimeMs,
    lastReceivedS: receivedS,
    lastIndex: index,
    accepted: row.accepted + 1,
  });
  const community = rows.get('community', '')!;
  if (receivedS > community.newestReceivedS) rows.put('community', '', { ...community, newestReceivedS: receivedS });
}

interface ChannelSamples {
  readonly ref: LimitedChannel;
  readonly exponent: number;
  readonly channel: FrameChannel;
  readonly timesS: readonly number[];
}

function foldChannel(rows: Rows, frame: AcceptedFrame, samples: ChannelSamples, settings: IntervalSettings): void {
  const { ref, timesS } = samples;
  const usable = usableSamples(frame, samples, settings);
  if (usable.length < timesS.length) countFlagged(rows, ref, timesS.length - usable.length);
  const first = usable[0];
  const last = usable.at(-1);
  if (first === undefined || last === undefined) return;
  const range = { channel: ref, fromS: first.timeS, toS: last.timeS, index: frame.index, settings };
  touchIntervals(rows, range, () => {
    for (const sample of usable) foldSample(rows, ref, sample, settings.intervalS);
  });
}

/** Samples that can be readings at all: status good, not from the future, and of a size that counts exactly. */
function usableSamples(
  { payload, receivedS }: AcceptedFrame,
  { channel, exponent, timesS }: ChannelSamples,
  { intervalS }: IntervalSettings,
): readonly Sample[] {
  if (channel.status !== 0 || channel.quantity > 5) return [];
  const { source, errorMs } = payload.clock;
  const trustedClock = TRUSTED_SOURCES.includes(source) && errorMs <= intervalS * 10;
  const latestS = receivedS + FUTURE_TOLERANCE_S + errorMs / 1000;
  return channelValues(channel).flatMap((value, i) => {
    const timeS = timesS[i]!;
    const valueMwh = toMwh(value, exponent);
    return timeS > latestS || valueMwh === undefined ? [] : [{ timeS, valueMwh, trustedClock }];
  });
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
  const { segments, baseline, candidate, accepted, flagged } = channelHead(rows, ref);
  rows.put('channel', channelKey(ref.meter, ref.quantity), {
    segments,
    ...(baseline && { baseline }),
    ...(candidate && { candidate }),
    accepted,
    flagged: flagged + count,
  });
}

/** Parked frames are a source, not part of the row. */
export function withParked(row: SequenceRow, parked: SequenceState['parked'] = []): SequenceState {
  return { ...row.state, parked };
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
  putSequence(rows, kid, { ...row, state, openingIndex: entry.index, openingRequest: toHex(requestHash) });
}

/** Fields in one order, so that the row's text is canonical. */
function putSequence(rows: Rows, kid: string, row: Omit<SequenceRow, 'state'> & { state: SequenceRow['state'] }): void {
  const { epoch, next, expectedPrevious, forked, gaps } = row.state;
  rows.put('sequence', kid, {
    state: { epoch, next, expectedPrevious, forked, gaps },
    lastBoot: row.lastBoot,
    lastUptimeMs: row.lastUptimeMs,
    lastReceivedS: row.lastReceivedS,
    lastIndex: row.lastIndex,
    accepted: row.accepted,
    openingIndex: row.openingIndex,
    ...(row.openingRequest !== undefined && { openingRequest: row.openingRequest }),
    ...(row.gapRequest !== undefined && { gapRequest: row.gapRequest }),
    ...(row.gapIndex !== undefined && { gapIndex: row.gapIndex }),
  });
}
