/**
 * Readings as columns, and as the bytes that a store keeps. What is here only ever appends behind what is used; who may do so
 * in place is for the owner to know (packed-readings.ts).
 */
import { LedgerError } from '../errors.js';
import type { StoredReading } from '../rows.js';

/** No frame brings more than 288 instants; a reading a second is the most a day can hold. */
export const MAX_READINGS_A_DAY = 86_400;
export const FIRST_ROOM = 16;
/** Time, value, flags. */
export const COLUMN_BYTES = 8 + 8 + 4;
export const GOOD = 1;
export const TRUSTED = 2;
/** Flags below, the segment above. */
export const SEGMENT = 4;
export const USUAL = GOOD + TRUSTED;

/**
 * A reading in bytes: a head, with the low bits of how far the counter moved, then what the head announces, as varints: the
 * high bits, the step in time where it is another than the one before, flags likewise. Three bytes for most readings.
 */
export const FALLS = 1;
export const OTHER_STEP = 2;
export const OTHER_FLAGS = 4;
export const HEAD_BITS = 3;
export const LOW_MOVES = 16;
export const USUAL_BYTES = 3;
/** A head, two differences of 53 bits, 32 bits of segment and flags. */
const MAX_BYTES_A_READING = 1 + 8 + 8 + 5;

/** Room that days share: whoever ends where it is used may append in place. */
export interface Columns {
  used: number;
  timesS: Float64Array;
  valuesMwh: Float64Array;
  flags: Uint32Array;
  usedBytes: number;
  bytes: Uint8Array;
}

export function flagsOf(segment: number, good: boolean, trustedClock: boolean): number {
  return segment * SEGMENT + (good ? GOOD : 0) + (trustedClock ? TRUSTED : 0);
}

export function roomFor(readings: number): Columns {
  return columnsFor(readings, new Uint8Array(readings * 4), 0);
}

/** In one piece of memory: a street's day of them is made at once. */
export function columnsFor(readings: number, bytes: Uint8Array, usedBytes: number): Columns {
  const memory = new ArrayBuffer(readings * 20);
  return {
    used: 0,
    timesS: new Float64Array(memory, 0, readings),
    valuesMwh: new Float64Array(memory, readings * 8, readings),
    flags: new Uint32Array(memory, readings * 16, readings),
    usedBytes,
    bytes,
  };
}

/** A reading in the place `at`, of one that is taken out or of none. Its bytes are still to be written. */
export function withPlace(
  { timesS, valuesMwh, flags }: Columns,
  { length, at, taken }: { readonly length: number; readonly at: number; readonly taken: 0 | 1 },
  { timeS, valueMwh, segment, good, trustedClock }: StoredReading,
): Columns {
  const columns = columnsFor(length + 1 - taken, new Uint8Array(0), 0);
  for (const [to, from] of [
    [columns.timesS, timesS],
    [columns.valuesMwh, valuesMwh],
    [columns.flags, flags],
  ] as const) {
    to.set(from.subarray(0, at));
    to.set(from.subarray(at + taken, length), at + 1);
  }
  columns.used = length + 1 - taken;
  columns.timesS[at] = timeS;
  columns.valuesMwh[at] = valueMwh;
  columns.flags[at] = flagsOf(segment, good, trustedClock);
  return columns;
}

/** What others have appended behind `length` is left out. */
export function copyOf({ timesS, valuesMwh, flags }: Columns, length: number, bytes: Uint8Array): Columns {
  return {
    used: length,
    timesS: timesS.slice(0, length),
    valuesMwh: valuesMwh.slice(0, length),
    flags: flags.slice(0, length),
    usedBytes: bytes.length,
    bytes: bytes.slice(),
  };
}

export function push(columns: Columns, timeS: number, valueMwh: number, flags: number): void {
  makeRoom(columns);
  const { used, timesS, valuesMwh, bytes } = columns;
  const before = used > 0 ? timesS[used - 1]! : 0;
  const stepS = timeS - before;
  const hasOtherStep = stepS !== (used > 1 ? before - timesS[used - 2]! : used > 0 ? before : 0);
  const hasOtherFlags = flags !== (used > 0 ? columns.flags[used - 1]! : USUAL);
  const move = used > 0 ? valueMwh - valuesMwh[used - 1]! : valueMwh;
  const moved = Math.abs(move);
  const high = Math.floor(moved / LOW_MOVES);
  const head =
    (move < 0 ? FALLS : 0) |
    (hasOtherStep ? OTHER_STEP : 0) |
    (hasOtherFlags ? OTHER_FLAGS : 0) |
    ((moved % LOW_MOVES) << HEAD_BITS) |
    (high > 0 ? 128 : 0);
  let at = columns.usedBytes;
  bytes[at++] = head;
  if (high > 0) at = writeVarint(bytes, at, high);
  if (hasOtherStep) at = writeVarint(bytes, at, stepS);
  if (hasOtherFlags) at = writeVarint(bytes, at, flags);
  columns.usedBytes = at;
  fill(columns, timeS, valueMwh, flags);
}

function makeRoom(columns: Columns): void {
  if (columns.usedBytes + MAX_BYTES_A_READING <= columns.bytes.length) return;
  const wider = new Uint8Array(columns.usedBytes * 2 + MAX_BYTES_A_READING);
  wider.set(columns.bytes.subarray(0, columns.usedBytes));
  columns.bytes = wider;
}

export function fill(columns: Columns, timeS: number, valueMwh: number, flags: number): void {
  const at = columns.used;
  if (at === columns.timesS.length) {
    const room = Math.max(FIRST_ROOM, at * 2);
    columns.timesS = widened(columns.timesS, new Float64Array(room));
    columns.valuesMwh = widened(columns.valuesMwh, new Float64Array(room));
    columns.flags = widened(columns.flags, new Uint32Array(room));
  }
  columns.timesS[at] = timeS;
  columns.valuesMwh[at] = valueMwh;
  columns.flags[at] = flags;
  columns.used = at + 1;
}

function widened<T extends Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** 0 <= n <= 2^53 - 1; division instead of shifts, which end at 32 bits. Returns where the next one begins. */
function writeVarint(bytes: Uint8Array, from: number, n: number): number {
  let at = from;
  let rest = n;
  while (rest >= 128) {
    bytes[at++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}

export function readByte(cursor: { readonly bytes: Uint8Array; at: number }): number {
  const byte = cursor.bytes[cursor.at++];
  if (byte === undefined) throw new LedgerError('invariant', 'readings are cut short');
  return byte;
}

export function readVarint(cursor: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = readByte(cursor);
    if (scale > Number.MAX_SAFE_INTEGER) throw new LedgerError('invariant', 'readings are damaged: rebuild');
    value += (byte % 128) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
}
