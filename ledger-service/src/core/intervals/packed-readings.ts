/**
 * A day of readings of one channel, packed into columns and into the bytes that a store keeps: a street has hundreds of
 * thousands of them in memory. Sorted by time and never changed; what is appended goes into the room behind it, so a day
 * and the one with a reading more share all but that reading.
 */
import { LedgerError } from '../errors.js';
import type { StoredReading } from '../rows.js';
import {
  COLUMN_BYTES,
  type Columns,
  columnsFor,
  copyOf,
  FALLS,
  FIRST_ROOM,
  fill,
  flagsOf,
  GOOD,
  HEAD_BITS,
  LOW_MOVES,
  MAX_READINGS_A_DAY,
  OTHER_FLAGS,
  OTHER_STEP,
  push,
  readByte,
  readVarint,
  roomFor,
  SEGMENT,
  TRUSTED,
  USUAL,
  USUAL_BYTES,
  withPlace,
} from './reading-columns.js';

/** In the place of how many bytes there are. */
const UNWRITTEN = -1;

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
