import type { Quantity } from '@commonwatt/firmware-protocol';
import type { ClockQuality } from './clock.js';

/** A counter's value in its channel's own unit (10^e Wh), as the meter said it. */
export interface Counter {
  readonly quantity: Quantity;
  /** 0 <= value < 2^64. */
  readonly value: bigint;
}

/** One meter, or one block of its counters, at one instant. Channels that the meter answered with "no value" are not in it. */
export interface MeterReading {
  readonly meterIndex: number;
  /** The middle between request and answer, UTC milliseconds. */
  readonly atMs: number;
  readonly quality: ClockQuality;
  /** Rising by quantity. */
  readonly counters: readonly Counter[];
  readonly power: MeterPower;
}

/** Momentary power in watts, where the meter says it. Never booked. */
export interface MeterPower {
  /** At the connection point: positive for import, negative for export. */
  readonly gridW?: number;
  /** What the roof gives. */
  readonly generationW?: number;
}

/** One channel of a sample. Status 0 good to 6 (PROTOCOL 2.3). */
export interface SampleChannel {
  readonly meterIndex: number;
  readonly quantity: Quantity;
  readonly status: number;
  readonly value: bigint;
}

/** Channels of one or more meters at one second: what waits in the outbox until it is sealed. */
export interface Sample {
  /** UTC seconds. */
  readonly atS: number;
  readonly clock: ClockQuality;
  /** Strictly rising by (meter index, quantity); never empty. */
  readonly channels: readonly SampleChannel[];
  /** A frame ends before this sample: one of its channels missed a poll, or the box was away. */
  readonly breakBefore: boolean;
  /** The clock was set by so many seconds since the sample before. */
  readonly clockStepS?: number;
  /** How many frames with this sample were refused for what stood in them. */
  readonly attempt: number;
}

/** Status of a value that the meter said. */
export const STATUS_GOOD = 0;

/** PROTOCOL 2.3: what was read further apart than this goes into frames of its own. */
export const SAME_INSTANT_MS = 1000;

/** What the samples of a meter are compared with. */
export interface SampleContext {
  /** The second of the meter's newest sample; undefined before the first. */
  lastS(meterIndex: number): number | undefined;
  /** Whether the channel missed a poll, or the box was away, since its newest sample. */
  missed(channel: string): boolean;
  readonly clockStepS?: number;
}

/**
 * The readings of one round of polls as samples: meters read within a second of each other share one. A meter read
 * twice within the same second keeps its first reading; a meter without any value gives no sample.
 */
export function toSamples(readings: readonly MeterReading[], context: SampleContext): Sample[] {
  const rest = readings
    .filter((reading) => reading.counters.length > 0)
    .filter((reading) => toSeconds(reading.atMs) !== context.lastS(reading.meterIndex))
    .toSorted((a, b) => a.atMs - b.atMs);
  const samples: Sample[] = [];
  while (rest.length > 0) {
    const firstMs = rest[0]!.atMs;
    const together = rest.findIndex((reading) => reading.atMs - firstMs > SAME_INSTANT_MS);
    samples.push(toSample(rest.splice(0, together === -1 ? rest.length : together), context));
  }
  return samples;
}

function toSample(readings: readonly MeterReading[], context: SampleContext): Sample {
  const channels = readings.flatMap((reading) =>
    reading.counters.map((counter) => ({ meterIndex: reading.meterIndex, status: STATUS_GOOD, ...counter })),
  );
  return {
    atS: toSeconds(readings[0]!.atMs),
    clock: worstQuality(readings.map((reading) => reading.quality)),
    channels: channels.toSorted((a, b) => a.meterIndex - b.meterIndex || a.quantity - b.quantity),
    breakBefore: channels.some((channel) => context.missed(channelName(channel))),
    ...(context.clockStepS === undefined ? {} : { clockStepS: context.clockStepS }),
    attempt: 0,
  };
}

/** A channel as a key of sets and maps. */
export function channelName({ meterIndex, quantity }: Pick<SampleChannel, 'meterIndex' | 'quantity'>): string {
  return `${meterIndex}.${quantity}`;
}

/** Seconds on the wire: the second in which the instant lies. */
export function toSeconds(utcMs: number): number {
  return Math.floor(utcMs / 1000);
}

/** One quality that holds for all: no source beats any other source downwards, then the larger error and age. */
export function worstQuality(qualities: readonly ClockQuality[]): ClockQuality {
  return qualities.reduce((worst, next) => ({
    source: worst.source === 0 || next.source === 0 ? 0 : Math.min(worst.source, next.source),
    errorMs: Math.max(worst.errorMs, next.errorMs),
    ageS: Math.max(worst.ageS, next.ageS),
  }));
}
