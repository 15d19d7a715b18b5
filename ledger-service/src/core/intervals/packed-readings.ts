/**
 * A day of readings of one channel, packed into columns and into the bytes that a store keeps: a street has hundreds of
 * thousands of them in memory. Sorted by time and never changed; what is appended goes into the room behind it, so a day
 * and the one with a reading more share all but that reading.
 */
import { LedgerError } from '../errors.js';
import type { StoredReading } from '../rows.js';

/** No frame brings more than 288 instants; a reading a second is the most a day can hold. */
const MAX_READINGS_A_DAY = 86_400;
const FIRST_ROOM = 16;
/** Of one reading: time and value differences of 53 bits, a sign, 32 bits of segment and flags. */
const MAX_BYTES_A_READING = 8 + 1 + 8 + 5;
const GOOD = 1;
const TRUSTED = 2;
/** Flags below, the segment above. */
const SEGMENT = 4;

/** Room that days share: whoever ends where it is used may append in place. */
interface Columns {
  used: number;
  timesS: Float64Array;
  valuesMwh: Float64Array;
  flags: Uint32Array;
  usedBytes: number;
  bytes: Uint8Array;
}

export class Readings implements Iterable<StoredReading> {
  static readonly NONE = new Readings(roomFor(0), 0, 0);

  readonly length: number;
  readonly #byteLength: number;
  readonly #columns: Columns;

  private constructor(columns: Columns, length: number, byteLength: number) {
    this.#columns = columns;
    this.length = length;
    this.#byteLength = byteLength;
  }

  /** Sorted by time. */
  static of(readings: Iterable<StoredReading>): Readings {
    const columns = roomFor(FIRST_ROOM);
    for (const { timeS, valueMwh, segment, good, trustedClock } of readings) {
      push(columns, timeS, valueMwh, flagsOf(segment, good, trustedClock));
    }
    return new Readings(columns, columns.used, columns.usedBytes);
  }

  /** Throws LedgerError 'invariant' where the bytes are not those of `bytes()`. */
  static decode(bytes: Uint8Array): Readings {
    const columns = { ...roomFor(FIRST_ROOM), usedBytes: bytes.length, bytes };
    const cursor = { bytes, at: 0 };
    let timeS = 0;
    let valueMwh = 0;
    while (cursor.at < bytes.length) {
      timeS += readVarint(cursor);
      const isFall = readVarint(cursor) === 1;
      const moved = readVarint(cursor);
      valueMwh += isFall ? -moved : moved;
      const flags = readVarint(cursor);
      if (columns.used >= MAX_READINGS_A_DAY) throw new LedgerError('invariant', 'a day of too many readings: rebuild');
      fill(columns, timeS, valueMwh, flags);
    }
    return new Readings(columns, columns.used, columns.usedBytes);
  }

  /** Several days as one, in their order. */
  static joined(days: readonly Readings[]): Readings {
    const filled = days.filter(({ length }) => length > 0);
    return filled.length < 2 ? (filled[0] ?? Readings.NONE) : Readings.of(filled.flatMap((day) => [...day]));
  }

  /** Varints of the differences: seven bytes for most readings. Not to be changed. */
  bytes(): Uint8Array {
    return this.#columns.bytes.subarray(0, this.#byteLength);
  }

  /** With one more, which is newer than all of them. */
  appended(timeS: number, valueMwh: number, segment: number, good: boolean, trustedClock: boolean): Readings {
    const columns = this.#own();
    push(columns, timeS, valueMwh, flagsOf(segment, good, trustedClock));
    return new Readings(columns, columns.used, columns.usedBytes);
  }

  /** With the samples `from..to - 1` of a run, all good, each newer than all before it. */
  withRun(
    run: { readonly timesS: readonly number[]; readonly valuesMwh: readonly number[]; readonly trustedClock: boolean },
    from: number,
    to: number,
    segmentAt: (timeS: number) => number,
  ): Readings {
    const columns = this.#own();
    for (let i = from; i < to; i++) {
      const timeS = run.timesS[i]!;
      push(columns, timeS, run.valuesMwh[i]!, flagsOf(segmentAt(timeS), true, run.trustedClock));
    }
    return new Readings(columns, columns.used, columns.usedBytes);
  }

  /** Undefined behind the last one. Callers stay in `0..length - 1` with the others. */
  at(i: number): StoredReading | undefined {
    if (i < 0 || i >= this.length) return undefined;
    return {
      timeS: this.timeS(i),
      valueMwh: this.valueMwh(i),
      segment: this.segment(i),
      good: this.isGood(i),
      trustedClock: this.isTrusted(i),
    };
  }

  timeS(i: number): number {
    return this.#columns.timesS[i]!;
  }

  valueMwh(i: number): number {
    return this.#columns.valuesMwh[i]!;
  }

  segment(i: number): number {
    return Math.floor(this.#columns.flags[i]! / SEGMENT);
  }

  /** It can be an edge; the others wait or are only counted. */
  isGood(i: number): boolean {
    return (this.#columns.flags[i]! & GOOD) !== 0;
  }

  /** Source 1 to 3 and an error of at most 1 percent of the interval. */
  isTrusted(i: number): boolean {
    return (this.#columns.flags[i]! & TRUSTED) !== 0;
  }

  /** Index of the first reading at or after `timeS`. */
  firstAtOrAfter(timeS: number): number {
    const { timesS } = this.#columns;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (timesS[middle]! < timeS) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where a reading can be appended without anybody else seeing it. */
  #own(): Columns {
    return this.#columns.used === this.length ? this.#columns : copyOf(this.#columns, this.length, this.bytes());
  }

  *[Symbol.iterator](): Iterator<StoredReading> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }
}

function flagsOf(segment: number, good: boolean, trustedClock: boolean): number {
  return segment * SEGMENT + (good ? GOOD : 0) + (trustedClock ? TRUSTED : 0);
}

function roomFor(readings: number): Columns {
  return {
    used: 0,
    timesS: new Float64Array(readings),
    valuesMwh: new Float64Array(readings),
    flags: new Uint32Array(readings),
    usedBytes: 0,
    bytes: new Uint8Array(readings * SEGMENT * 2),
  };
}

/** What others have appended behind `length` is left out. */
function copyOf({ timesS, valuesMwh, flags }: Columns, length: number, bytes: Uint8Array): Columns {
  return {
    used: length,
    timesS: timesS.slice(0, length),
    valuesMwh: valuesMwh.slice(0, length),
    flags: flags.slice(0, length),
    usedBytes: bytes.length,
    bytes: bytes.slice(),
  };
}

function push(columns: Columns, timeS: number, valueMwh: number, flags: number): void {
  const { used, timesS, valuesMwh } = columns;
  if (columns.usedBytes + MAX_BYTES_A_READING > columns.bytes.length) {
    const wider = new Uint8Array(columns.usedBytes * 2 + MAX_BYTES_A_READING);
    wider.set(columns.bytes.subarray(0, columns.usedBytes));
    columns.bytes = wider;
  }
  const moved = used === 0 ? valueMwh : valueMwh - valuesMwh[used - 1]!;
  let at = writeVarint(columns.bytes, columns.usedBytes, used === 0 ? timeS : timeS - timesS[used - 1]!);
  // The sign in a byte of its own: doubling could pass 2^53.
  columns.bytes[at++] = moved < 0 ? 1 : 0;
  at = writeVarint(columns.bytes, at, Math.abs(moved));
  columns.usedBytes = writeVarint(columns.bytes, at, flags);
  fill(columns, timeS, valueMwh, flags);
}

function fill(columns: Columns, timeS: number, valueMwh: number, flags: number): void {
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

function readVarint(cursor: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined || scale > Number.MAX_SAFE_INTEGER)
      throw new LedgerError('invariant', 'readings are cut short');
    value += (byte % 128) * scale;
    if (byte < 128) return value;
    scale *= 128;
  }
}
