/** A day of readings of one channel in a few hundred bytes: varints of the differences. */
import { LedgerError } from '../errors.js';
import type { StoredReading } from '../rows.js';

/** No frame brings more than 288 instants; a reading a second is the most a day can hold. */
const MAX_READINGS_A_DAY = 86_400;

/** Sorted by time, as stored. Value differences are zigzag: a new segment may start lower. */
export function encodeReadings(readings: readonly StoredReading[]): Uint8Array {
  const out: number[] = [];
  pushVarint(out, readings.length);
  let timeS = 0;
  let valueMwh = 0;
  for (const reading of readings) {
    pushVarint(out, reading.timeS - timeS);
    pushZigzag(out, reading.valueMwh - valueMwh);
    pushVarint(out, reading.segment * 4 + (reading.good ? 1 : 0) + (reading.trustedClock ? 2 : 0));
    timeS = reading.timeS;
    valueMwh = reading.valueMwh;
  }
  return Uint8Array.from(out);
}

export function decodeReadings(bytes: Uint8Array): readonly StoredReading[] {
  const cursor = { at: 0 };
  const count = readVarint(bytes, cursor);
  if (count > MAX_READINGS_A_DAY) throw new LedgerError('invariant', `a day of ${count} readings: rebuild`);
  const readings: StoredReading[] = [];
  let timeS = 0;
  let valueMwh = 0;
  for (let i = 0; i < count; i++) {
    timeS += readVarint(bytes, cursor);
    valueMwh += readZigzag(bytes, cursor);
    const flags = readVarint(bytes, cursor);
    readings.push({
      timeS,
      valueMwh,
      segment: Math.floor(flags / 4),
      good: (flags & 1) === 1,
      trustedClock: (flags & 2) === 2,
    });
  }
  return readings;
}

/** 0 <= n <= 2^53 - 1; division instead of shifts, which end at 32 bits. */
function pushVarint(out: number[], n: number): void {
  let rest = n;
  while (rest >= 128) {
    out.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

/** Sign in a byte of its own: doubling could pass 2^53. */
function pushZigzag(out: number[], n: number): void {
  out.push(n < 0 ? 1 : 0);
  pushVarint(out, Math.abs(n));
}

function readVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = bytes[cursor.at++];
    if (byte === undefined || scale > Number.MAX_SAFE_INTEGER)
      throw new LedgerError('invariant', 'readings are cut short');
    value += (byte % 128) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
}

function readZigzag(bytes: Uint8Array, cursor: { at: number }): number {
  const negative = bytes[cursor.at++] === 1;
  const size = readVarint(bytes, cursor);
  return negative ? -size : size;
}
