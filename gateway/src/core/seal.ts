import {
  channelValues,
  EventCode,
  encodeFramePayload,
  FRAME_LIMITS,
  type FrameChannel,
  type FrameEvent,
  type FramePayload,
  MAX_MESSAGE_BYTES,
  sampleTimesS,
} from '@commonwatt/firmware-protocol';
import { channelName, type Sample, worstQuality } from './reading.js';

/** Samples that go into one frame: the same channels with the same status at every instant, rising in time and value. */
export interface FrameDraft<T extends Sample = Sample> {
  readonly samples: readonly T[];
}

/** Where a frame stands in its chain, when it was made, and what it tells besides its readings. */
export interface FramePlace {
  readonly epoch: number;
  readonly number: number;
  readonly previous: Uint8Array;
  readonly mono: { readonly boot: number; readonly uptimeMs: number };
  /** Readings that were lost before sealing since the last frame that told of any. */
  readonly lost?: number;
}

/** Envelope, kid, signature and the three heads around them (PROTOCOL 1.5). */
const ENVELOPE_BYTES = 86;
/** A delta is an unsigned number below 2^53. */
const MAX_DELTA = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Waiting samples, in the order of their time, as drafts of frames, in the order in which they begin. A draft ends where
 * a channel comes, goes or changes status, where a meter missed a poll, where the clock was set or its source changed,
 * where time does not rise or a counter falls, and at the limits of a frame.
 */
export function draftFrames<T extends Sample>(samples: readonly T[]): FrameDraft<T>[] {
  const drafts: OpenDraft<T>[] = [];
  /** At most one for each channel: a draft ends where another one takes one of its channels. */
  let open: OpenDraft<T>[] = [];
  for (const sample of samples.flatMap(splitChannels)) {
    const name = nameOf(sample);
    const current = open.find((draft) => draft.name === name);
    if (current !== undefined && fits(current.samples, sample)) {
      current.samples.push(sample);
      continue;
    }
    const channels = new Set(sample.channels.map(channelName));
    const next = { samples: [sample], name, channels };
    open = [...open.filter((draft) => ![...draft.channels].some((channel) => channels.has(channel))), next];
    drafts.push(next);
  }
  return drafts.flatMap((draft) => splitToFit<T>(draft));
}

interface OpenDraft<T extends Sample> {
  readonly samples: T[];
  readonly name: string;
  readonly channels: ReadonlySet<string>;
}

/** What must be equal for two samples to stand in one frame. */
function nameOf({ channels, clock, attempt }: Sample): string {
  const names = channels.map(({ meterIndex, quantity, status }) => `${meterIndex}.${quantity}.${status}`);
  return `${clock.source} ${attempt} ${names.join(' ')}`;
}

function fits(samples: readonly Sample[], sample: Sample): boolean {
  const first = samples[0]!;
  const last = samples.at(-1)!;
  if (sample.breakBefore || sample.clockStepS !== undefined || samples.length >= FRAME_LIMITS.maxInstants) return false;
  if (sample.atS <= last.atS || sample.atS - first.atS > FRAME_LIMITS.maxOffsetS) return false;
  return sample.channels.every(({ value }, at) => {
    const growth = value - last.channels[at]!.value;
    return growth >= 0n && growth <= MAX_DELTA;
  });
}

/** A frame has at most 16 channels: more go, meter by meter, into further ones. */
function splitChannels<T extends Sample>(sample: T): T[] {
  if (sample.channels.length <= FRAME_LIMITS.maxChannels) return [sample];
  const rest = [...sample.channels];
  const parts: T[] = [];
  while (rest.length > 0) parts.push({ ...sample, channels: rest.splice(0, wholeMeters(rest)) });
  return parts;
}

function wholeMeters(channels: Sample['channels']): number {
  const most = FRAME_LIMITS.maxChannels;
  if (channels.length <= most) return channels.length;
  const cut = channels[most]!.meterIndex;
  const first = channels.findIndex(({ meterIndex }) => meterIndex === cut);
  return first > 0 ? first : most;
}

/** Halves a draft until each part fits into a message. */
function splitToFit<T extends Sample>(draft: FrameDraft<T>): FrameDraft<T>[] {
  const place = { epoch: FRAME_LIMITS.maxEpoch, number: Number.MAX_SAFE_INTEGER, previous: new Uint8Array(32) };
  const mono = { boot: Number.MAX_SAFE_INTEGER, uptimeMs: Number.MAX_SAFE_INTEGER };
  // A single sample of 16 channels is far below the limit.
  if (draft.samples.length <= SURELY_SMALL) return [draft];
  if (encodeFramePayload(toPayload(draft, { ...place, mono })).length + ENVELOPE_BYTES <= MAX_MESSAGE_BYTES)
    return [draft];
  const middle = draft.samples.length >> 1;
  return [draft.samples.slice(0, middle), draft.samples.slice(middle)].flatMap((samples) => splitToFit({ samples }));
}

/** So many samples fit whatever stands in them: 16 channels with deltas of 9 bytes and offsets of 5. */
const SURELY_SMALL = 16;

/** The payload of a draft at its place in the chain. */
export function toPayload({ samples }: FrameDraft, place: FramePlace): FramePayload {
  const first = samples[0]!;
  const { source, errorMs, ageS } = worstQuality(samples.map(({ clock }) => clock));
  const events = eventsOf(first, place.lost ?? 0);
  return {
    epoch: place.epoch,
    number: place.number,
    previous: place.previous,
    startS: first.atS,
    step: stepOf(samples.map(({ atS }) => atS)),
    clock: { source, errorMs, ageS },
    mono: place.mono,
    channels: first.channels.map((_, at) => toChannel(samples, at)),
    ...(events.length > 0 && { events }),
  };
}

/** PROTOCOL 2.6. */
function eventsOf({ clockStepS }: Sample, lost: number): FrameEvent[] {
  const events: FrameEvent[] = [];
  if (clockStepS !== undefined) events.push({ offsetS: 0, code: EventCode.clockStep, argument: Math.abs(clockStepS) });
  if (lost > 0) events.push({ offsetS: 0, code: EventCode.gap, argument: lost });
  return events;
}

/** One number where the instants are evenly spaced, the offsets from the first where they are not. */
function stepOf(timesS: readonly number[]): number | number[] {
  const step = timesS[1]! - timesS[0]!;
  const isEven = timesS.length > 1 && timesS.every((timeS, at) => timeS === timesS[0]! + at * step);
  return isEven ? step : timesS.slice(1).map((timeS) => timeS - timesS[0]!);
}

function toChannel(samples: readonly Sample[], at: number): FrameChannel {
  const { meterIndex, quantity, status, value } = samples[0]!.channels[at]!;
  const values = samples.map((sample) => sample.channels[at]!.value);
  return {
    meterIndex,
    quantity,
    status,
    first: value,
    deltas: values.slice(1).map((next, before) => Number(next - values[before]!)),
  };
}

/** The readings of a frame that was refused, or hangs on one that was, to be sealed again. */
export function toSamplesAgain(frame: FramePayload, attempt: number): Sample[] {
  const columns = frame.channels.map((channel) => channelValues(channel));
  return sampleTimesS(frame).map((atS, row) => ({
    atS,
    clock: frame.clock,
    channels: frame.channels.map(({ meterIndex, quantity, status }, at) => ({
      meterIndex,
      quantity,
      status,
      value: columns[at]![row]!,
    })),
    breakBefore: row === 0,
    attempt,
  }));
}
