/**
 * Untrusted: an opened vector's bytes, in one strict pass: exactly the schema of LOG 6.2 in deterministic CBOR, limits before
 * memory, and nothing made that is not kept. A street's names are mostly known: then their bytes are compared, not read.
 */
import { isValidId } from '@commonwatt/firmware-protocol';
import { badEntry } from './fields.js';
import { type UnitName, UnitNames } from './unit-names.js';

const MAJOR_SHIFT = 5;
const UNSIGNED = 0;
const NEGATIVE = 1;
const TEXT = 3;
const ARRAY = 4;
/** Largest argument whose head needs 0, 1, 2, 4 bytes: a longer head than needed is refused. */
const LARGEST_SHORT = [23, 0xff, 0xffff, 0xffff_ffff] as const;
const INT64_MAX = 2n ** 63n - 1n;

export class VectorReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  array(): number {
    return this.#safe(ARRAY, 'a list');
  }

  uint(): number {
    return this.#safe(UNSIGNED, 'a whole number of 53 bits');
  }

  /** 64 bits with a sign; a number where it is safe. */
  int64(): number | bigint {
    const start = this.#at;
    const major = this.#major();
    if (major !== UNSIGNED && major !== NEGATIVE) throw this.#bad('64 bits with a sign', start);
    const argument = this.#argument();
    if (Number.isSafeInteger(argument + 1)) return major === UNSIGNED ? argument : -1 - argument;
    const big = this.#bigArgument();
    if (big > INT64_MAX) throw this.#bad('64 bits with a sign', start);
    return major === UNSIGNED ? big : -1n - big;
  }

  /** Exactly these bytes; false, and nothing read, where others stand there. */
  skip(expected: Uint8Array, from: number, to: number): boolean {
    const start = this.#at - from;
    for (let i = from; i < to; i++) if (this.#bytes[start + i] !== expected[i]) return false;
    this.#at += to - from;
    return true;
  }

  /** An id, or '' where that may be. */
  id(mayBeEmpty: boolean): string {
    const start = this.#at;
    const length = this.#safe(TEXT, 'an id');
    if (length > this.left) throw this.#bad('an id', start);
    let text = '';
    // Ids are ASCII: any other byte makes a character that no id has.
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.#bytes[this.#at + i]!);
    if (!(length === 0 && mayBeEmpty) && !isValidId(text)) throw this.#bad('an id', start);
    this.#at += length;
    return text;
  }

  #safe(major: number, expected: string): number {
    const start = this.#at;
    if (this.#major() !== major) throw this.#bad(expected, start);
    const argument = this.#argument();
    if (!Number.isSafeInteger(argument)) throw this.#bad(expected, start);
    return argument;
  }

  /** Of the next head; none where the bytes are over. */
  #major(): number | undefined {
    return this.left > 0 ? this.#bytes[this.#at]! >> MAJOR_SHIFT : undefined;
  }

  /** Of a head (RFC 8949 section 3), exact up to 2^53 - 1. */
  #argument(): number {
    const start = this.#at;
    const info = this.#bytes[this.#at++]! & 31;
    if (info < 24) return info;
    const power = info - 24;
    if (power > 3 || 1 << power > this.left) throw this.#bad('a head that is whole', start);
    let argument = 0;
    for (let i = 0; i < 1 << power; i++) argument = argument * 256 + this.#bytes[this.#at++]!;
    if (argument <= LARGEST_SHORT[power]!) throw this.#bad('the shortest head', start);
    return argument;
  }

  /** The argument that was read last, of eight bytes. */
  #bigArgument(): bigint {
    let argument = 0n;
    for (let i = this.#at - 8; i < this.#at; i++) argument = argument * 256n + BigInt(this.#bytes[i]!);
    return argument;
  }

  #bad(expected: string, at: number) {
    return badEntry('vector', `${expected} at byte ${at}`, this.#bytes[at]);
  }
}

/** Reads names one after the other; of `likely` only as long as they are those. */
export class NameReader {
  readonly #reader: VectorReader;
  readonly #likely: UnitNames;
  #isLikely = true;
  readonly #names: UnitName[] = [];
  #count = 0;

  constructor(reader: VectorReader, likely: UnitNames) {
    this.#reader = reader;
    this.#likely = likely;
  }

  /** The beginning of a line: its list's head, member and meter. */
  next(fields: number): void {
    if (this.#isLikely && !this.#isNext()) this.#leave();
    if (!this.#isLikely) {
      if (this.#reader.array() !== fields) throw badEntry('vector: line', `${fields} fields`, 'others');
      this.#names.push({ member: this.#reader.id(false), meter: this.#reader.id(true) });
    }
    this.#count += 1;
  }

  /** Throws LedgerError `bad-entry` unless they rise. */
  names(): UnitNames {
    if (this.#isLikely && this.#count === this.#likely.length) return this.#likely;
    if (this.#isLikely) this.#leave();
    return new UnitNames(this.#names);
  }

  #isNext(): boolean {
    const { bytes, ends } = this.#likely.heads();
    const i = this.#count;
    return i < ends.length && this.#reader.skip(bytes, i === 0 ? 0 : ends[i - 1]!, ends[i]!);
  }

  #leave(): void {
    this.#isLikely = false;
    for (let i = 0; i < this.#count; i++) this.#names.push(this.#likely.at(i));
  }
}
