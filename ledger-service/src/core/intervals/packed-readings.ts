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
/** Time, value, flags. */
const COLUMN_BYTES = 8 + 8 + 4;
const GOOD = 1;
const TRUSTED = 2;
/** Flags below, the segment above. */
const SEGMENT = 4;
const USUAL = GOOD + TRUSTED;

/**
 * A reading in bytes: a head, with the low bits of how far the counter moved, then what the head announces, as varints: the
 * high bits, the step in time where it is another than the one before, flags likewise. Three bytes for most readings.
 */
const FALLS = 1;
const OTHER_STEP = 2;
const OTHER_FLAGS = 4;
const HEAD_BITS = 3;
const LOW_MOVES = 16;
const USUAL_BYTES = 3;
/** A head, two differences of 53 bits, 32 bits of segment and flags. */
const MAX_BYTES_A_READING = 1 + 8 + 8 + 5;

/** In the place of how many bytes there are. */
const UNWRITTEN = -1;

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
  #byteLength: number;
  #columns: Columns;

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
    const columns = columnsFor(Math.ceil(bytes.length / USUAL_BYTES), bytes, bytes.length);
    const cursor = { bytes, at: 0 };
    let [timeS, stepS, valueMwh, flags] = [0, 0, 0, USUAL];
    while (cursor.at < bytes.length) {
      const head = readByte(cursor);
      const high = head >= 128 ? readVarint(cursor) : 0;
      const moved = high * LOW_MOVES + ((head & 127) >> HEAD_BITS);
      valueMwh += (head & FALLS) !== 0 ? -moved : moved;
      if ((head & OTHER_STEP) !== 0) stepS = readVarint(cursor);
      timeS += stepS;
      if ((head & OTHER_FLAGS) !== 0) flags = readVarint(cursor);
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

  /** In memory, about: the columns, the bytes, and a third again for the room behind them. */
  get weightBytes(): number {
    return Math.ceil((this.length * COLUMN_BYTES + this.#byteLength) * 1.33);
  }

  /** What `decode` takes. Not to be changed. */
  bytes(): Uint8Array {
    this.#write();
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

  /** With one more in the place `at`. */
  inserted(at: number, reading: StoredReading): Readings {
    return new Readings(
      withPlace(this.#columns, { length: this.length, at, taken: 0 }, reading),
      this.length + 1,
      UNWRITTEN,
    );
  }

  /** With another in the place `at`. */
  replaced(at: number, reading: StoredReading): Readings {
    return new Readings(
      withPlace(this.#columns, { length: this.length, at, taken: 1 }, reading),
      this.length,
      UNWRITTEN,
    );
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

  /** As bytes, once they are asked for: a frame may bring hundreds of readings into the midst of a day. */
  #write(): void {
    if (this.#byteLength !== UNWRITTEN) return;
    const { timesS, valuesMwh, flags } = this.#columns;
    const columns = roomFor(this.length);
    for (let i = 0; i < this.length; i++) push(columns, timesS[i]!, valuesMwh[i]!, flags[i]!);
    this.#columns = columns;
    this.#byteLength = columns.usedBytes;
  }

  /** Where a reading can be appended without anybody else seeing it. */
  #own(): Columns {
    this.#write();
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
  return columnsFor(readings, new Uint8Array(readings * 4), 0);
}

/** In one piece of memory: a street's day of them is made at once. */
function columnsFor(readings: number, bytes: Uint8Array, usedBytes: number): Columns {
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
function withPlace(
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

function readByte(cursor: { readonly bytes: Uint8Array; at: number }): number {
  const byte = cursor.bytes[cursor.at++];
  if (byte === undefined) throw new LedgerError('invariant', 'readings are cut short');
  return byte;
}

function readVarint(cursor: { readonly bytes: Uint8Array; at: number }): number {
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
