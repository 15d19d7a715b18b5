/** What a counter counts (PROTOCOL 2.3). Export is positive from the meter's owner. */
export const Quantity = {
  gridImport: 1,
  gridExport: 2,
  generation: 3,
  storageCharge: 4,
  storageDischarge: 5,
  /** Integrated from measured import power, unit mWh; shapes a coarse counter inside the interval, never booked. */
  shapingImport: 6,
  /** The same for export power. */
  shapingExport: 7,
} as const;
export type Quantity = (typeof Quantity)[keyof typeof Quantity];

/** The state of all values of a channel in one frame (PROTOCOL 2.3). */
export const ChannelStatus = {
  good: 0,
  substitute: 1,
  stale: 2,
  timeout: 3,
  outOfRange: 4,
  meterChanged: 5,
  registerReset: 6,
} as const;

/** Where the box's time comes from (PROTOCOL 2.4). */
export const ClockSource = { none: 0, holdover: 1, ntp: 2, gnss: 3, relativeOnly: 4 } as const;

/** What happened on the box (PROTOCOL 2.5). Codes that are not named here are kept and mean nothing. */
export const EventCode = {
  powerLoss: 1,
  clockStep: 2,
  meterChanged: 3,
  registerReset: 4,
  manualEntry: 5,
  gap: 6,
} as const;

/** Limits of one frame (PROTOCOL 2.6). */
export const FRAME_LIMITS = {
  version: 1,
  maxEpoch: 0xffff_ffff,
  maxInstants: 288,
  maxChannels: 16,
  maxEvents: 16,
  maxOffsetS: 86_400,
  maxQuantity: 7,
  maxStatus: 6,
  maxClockSource: 4,
  seenRootBytes: 8,
} as const;

/** One counter of one meter: the value at the first instant and what it grew by at each further one, in the channel's unit. */
export interface FrameChannel {
  readonly meterIndex: number;
  readonly quantity: Quantity;
  readonly status: number;
  /** Counter value at the first instant, below 2^64, in 10^e Wh with the e of the enrolment. */
  readonly first: bigint;
  readonly deltas: readonly number[];
}

export interface FrameEvent {
  /** Seconds after the first instant. */
  readonly offsetS: number;
  readonly code: number;
  readonly argument: number;
}

/** The payload of `meter-frame/v1` (PROTOCOL 2.2). */
export interface FramePayload {
  readonly epoch: number;
  readonly number: number;
  /** SHA-256 of the complete previous message, or for number 1 the leaf hash of the entry that opened the epoch. */
  readonly previous: Uint8Array;
  /** UTC seconds of the first instant. */
  readonly startS: number;
  /** Seconds between instants, or the offset from `startS` of each instant after the first; `[]` for a single one. */
  readonly step: number | readonly number[];
  readonly clock: { readonly source: number; readonly errorMs: number; readonly ageS: number };
  readonly mono: { readonly boot: number; readonly uptimeMs: number };
  readonly channels: readonly FrameChannel[];
  /** Absent when there are none. */
  readonly events?: readonly FrameEvent[];
  /** Newest cosigned checkpoint that the box holds: proves that the frame was made after it. */
  readonly seen?: { readonly size: number; readonly rootStart: Uint8Array };
}

/** UTC seconds of every instant of a frame, in order. */
export function sampleTimesS(frame: FramePayload): number[] {
  const { startS, step } = frame;
  const timesS = [startS];
  if (typeof step === 'number') {
    const instants = instantCount(frame);
    for (let i = 1; i < instants; i++) timesS.push(startS + i * step);
  } else {
    for (const offset of step) timesS.push(startS + offset);
  }
  return timesS;
}

/** The counter's value at every instant of its frame, in the channel's unit. */
export function channelValues(channel: FrameChannel): bigint[] {
  let value = channel.first;
  const values = [value];
  for (const delta of channel.deltas) {
    value += BigInt(delta);
    values.push(value);
  }
  return values;
}

/** Number of instants: the same for every channel. */
export function instantCount(frame: FramePayload): number {
  return (frame.channels[0]?.deltas.length ?? 0) + 1;
}
