import { ProtocolError } from './errors.js';
import { utf8Encode } from './utf8.js';

const TWO_32 = 0x1_0000_0000;
const MAX_UINT64 = (1n << 64n) - 1n;

/** Bytes of the head of an integer, or of a string or array of this length: 1, 2, 3, 5 or 9. */
export function headBytes(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < TWO_32 ? 5 : 9;
}

/** Writes deterministic CBOR heads and strings (RFC 8949 section 4.2.1) into a buffer that grows by doubling. */
export class CborWriter {
  #bytes: Uint8Array;
  #at = 0;

  /** 64 bytes are what an engine gives away without asking the system; whoever knows how much comes says so. */
  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Throws `out-of-range` unless 0 <= value <= 2^53 - 1. */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new ProtocolError('out-of-range', `unsigned: expected 0 to 2^53 - 1, got ${value}`);
    }
    return this.#head(0, value);
  }

  /** Any integer of -2^64 to 2^64 - 1. */
  int(value: number | bigint): this {
    if (typeof value === 'bigint') return value < 0n ? this.#bigHead(1, -1n - value) : this.#bigHead(0, value);
    if (!Number.isSafeInteger(value))
      throw new ProtocolError('out-of-range', `integer: expected a safe one, got ${value}`);
    return value < 0 ? this.#head(1, -1 - value) : this.#head(0, value === 0 ? 0 : value);
  }

  bytes(value: Uint8Array): this {
    return this.#head(2, value.length).raw(value);
  }

  text(value: string): this {
    const bytes = utf8Encode(value);
    return this.#head(3, bytes.length).raw(bytes);
  }

  array(count: number): this {
    return this.#head(4, count);
  }

  map(count: number): this {
    return this.#head(5, count);
  }

  /** false 20, true 21, null 22. */
  simple(value: 20 | 21 | 22): this {
    return this.#head(7, value);
  }

  /** Bytes that are CBOR already. */
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** What was written, in an array of its own: the last thing that is asked of a writer. */
  finish(): Uint8Array {
    return this.#at === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#at);
  }

  #bigHead(major: number, value: bigint): this {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return this.#head(major, Number(value));
    if (value > MAX_UINT64) throw new ProtocolError('out-of-range', `integer: expected 64 bits, got ${value}`);
    return this.#wideHead(major, Number(value >> 32n), Number(value & 0xffff_ffffn));
  }

  #head(major: number, value: number): this {
    const type = major << 5;
    if (value < 24) {
      this.#reserve(1);
      this.#bytes[this.#at++] = type | value;
      return this;
    }
    this.#reserve(headBytes(value));
    if (value < 0x100) {
      this.#put(type | 24, value, 1);
    } else if (value < 0x1_0000) {
      this.#put(type | 25, value, 2);
    } else if (value < TWO_32) {
      this.#put(type | 26, value, 4);
    } else {
      this.#wideHead(major, Math.floor(value / TWO_32), value % TWO_32);
    }
    return this;
  }

  #wideHead(major: number, high: number, low: number): this {
    this.#reserve(9);
    this.#put((major << 5) | 27, high, 4);
    for (let shift = 24; shift >= 0; shift -= 8) this.#bytes[this.#at++] = (low >>> shift) & 0xff;
    return this;
  }

  #put(first: number, value: number, width: number): void {
    this.#bytes[this.#at++] = first;
    for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) this.#bytes[this.#at++] = (value >>> shift) & 0xff;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + more));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}
