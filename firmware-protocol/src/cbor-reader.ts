import { viewBytes } from './bytes.js';
import { ProtocolError, type ProtocolErrorCode } from './errors.js';

/** Major types of RFC 8949 section 3.1. */
export const MAJOR = { uint: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

const MAJOR_NAMES = ['unsigned', 'negative', 'byte string', 'text', 'array', 'map', 'tag', 'simple or float'] as const;
const TWO_32 = 0x1_0000_0000;
const SAFE_HIGH_WORD = 0x1f_ffff;

/**
 * Reads deterministic CBOR (RFC 8949 section 4.2) in one pass: shortest heads and definite lengths are demanded as the bytes
 * go by, and no length is believed before the bytes behind it are there. Everything it meets is untrusted; whatever is
 * wrong throws a ProtocolError of the code that the caller handed in.
 */
export class CborReader {
  readonly #bytes: Uint8Array;
  readonly #code: ProtocolErrorCode;
  #at = 0;
  /** Set by `#head`: the argument, exact unless `#wide`; then the two words below hold it. */
  #wide = false;
  #high = 0;
  #low = 0;

  constructor(bytes: Uint8Array, code: ProtocolErrorCode) {
    this.#bytes = bytes;
    this.#code = code;
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Major type of the next item, without reading it. */
  peek(what: string): number {
    const first = this.#bytes[this.#at];
    if (first === undefined) throw this.fail(what, 'an item', 'the end');
    return first >> 5;
  }

  /** An unsigned integer of at most `max` (itself at most 2^53 - 1). */
  uint(what: string, max = Number.MAX_SAFE_INTEGER): number {
    const first = this.#bytes[this.#at];
    if (first !== undefined && first < 24) {
      if (first > max) throw this.fail(what, `at most ${max}`, String(first));
      this.#at++;
      return first;
    }
    const value = this.#head(MAJOR.uint, what);
    if (this.#wide || value > max)
      throw this.fail(what, `at most ${max}`, this.#wide ? 'more than 2^53 - 1' : String(value));
    return value;
  }

  /** An unsigned integer below 2^64. */
  uint64(what: string): bigint {
    const value = this.#head(MAJOR.uint, what);
    return this.#wide ? this.#big() : BigInt(value);
  }

  /** A negative integer, -1 - n with n below 2^64; a number where it is safe. */
  negative(what: string): number | bigint {
    const value = this.#head(MAJOR.negative, what);
    if (this.#wide || value === Number.MAX_SAFE_INTEGER) return -1n - (this.#wide ? this.#big() : BigInt(value));
    return -1 - value;
  }

  /** A byte string as a window on the input; of exactly `length` bytes where given. */
  bytes(what: string, length?: number): Uint8Array {
    return this.#string(MAJOR.bytes, what, length);
  }

  /** The UTF-8 bytes of a text string, not yet checked. */
  textBytes(what: string): Uint8Array {
    return this.#string(MAJOR.text, what, undefined);
  }

  /** The head of an array: its number of items, each of which has at least one byte ahead, at most `max`. */
  array(what: string, max = Number.MAX_SAFE_INTEGER): number {
    return this.#count(MAJOR.array, what, max, 1);
  }

  /** The head of a map: its number of pairs, at most `max`. */
  map(what: string, max = Number.MAX_SAFE_INTEGER): number {
    return this.#count(MAJOR.map, what, max, 2);
  }

  tag(what: string): number {
    const value = this.#head(MAJOR.tag, what);
    if (this.#wide) throw this.fail(what, 'a tag below 2^53', 'a larger one');
    return value;
  }

  /** The value of a simple item below 24 (false is 20, true 21, null 22). Floats are refused. */
  simple(what: string): number {
    const first = this.#bytes[this.#at];
    if (first === undefined || first < 0xe0 || first > 0xf7)
      throw this.fail(what, 'false, true or null', this.#describe());
    this.#at++;
    return first & 31;
  }

  /** Refuses bytes behind the last item. */
  end(what: string): void {
    if (this.left !== 0) throw this.fail(what, 'the end', `${this.left} more bytes`);
  }

  /** The error for the place read last. */
  fail(what: string, expected: string, got: string): ProtocolError {
    return new ProtocolError(this.#code, `${what}: expected ${expected}, got ${got} (at byte ${this.#at})`);
  }

  #string(major: number, what: string, length: number | undefined): Uint8Array {
    const size = this.#head(major, what);
    if (length !== undefined && size !== length)
      throw this.fail(what, `${length} bytes`, this.#wide ? 'more' : String(size));
    if (this.#wide || size > this.left)
      throw this.fail(what, `at most the ${this.left} bytes that follow`, String(size));
    const from = this.#at;
    this.#at = from + size;
    return viewBytes(this.#bytes, from, from + size);
  }

  #count(major: number, what: string, max: number, bytesEach: number): number {
    const count = this.#head(major, what);
    if (this.#wide || count > max)
      throw this.fail(what, `at most ${max} items`, this.#wide ? 'more than 2^53 - 1' : String(count));
    if (count * bytesEach > this.left)
      throw this.fail(what, 'its items', `${count} announced, ${this.left} bytes left`);
    return count;
  }

  /** Reads the head of an item of this major type and demands the shortest form (RFC 8949 section 4.2.1). */
  #head(major: number, what: string): number {
    const first = this.#bytes[this.#at];
    if (first === undefined || first >> 5 !== major) throw this.fail(what, MAJOR_NAMES[major]!, this.#describe());
    this.#wide = false;
    const info = first & 31;
    if (info < 24) {
      this.#at++;
      return info;
    }
    if (info > 27) throw this.fail(what, 'a definite length', `head 0x${first.toString(16)}`);
    return this.#argument(1 << (info - 24), what);
  }

  #argument(width: number, what: string): number {
    if (this.left < 1 + width) throw this.fail(what, `a head of ${1 + width} bytes`, `${this.left} bytes`);
    const bytes = this.#bytes;
    let at = this.#at + 1;
    const end = at + width;
    let high = 0;
    let low = 0;
    for (; at < end; at++) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | bytes[at]!;
    }
    high >>>= 0;
    low >>>= 0;
    const shortest = width === 1 ? low >= 24 : width === 2 ? low > 0xff : width === 4 ? low > 0xffff : high > 0;
    if (!shortest) throw this.fail(what, 'the shortest form', `${width} bytes for ${low}`);
    this.#at = end;
    this.#wide = high > SAFE_HIGH_WORD;
    this.#high = high;
    this.#low = low;
    return high * TWO_32 + low;
  }

  #big(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  #describe(): string {
    const first = this.#bytes[this.#at];
    return first === undefined ? 'the end' : `${MAJOR_NAMES[first >> 5]}`;
  }
}
