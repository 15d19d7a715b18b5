/** Turns decoded CBOR into typed fields. Everything here is untrusted; whatever does not fit throws `bad-entry`. */
import {
  type CborKey,
  type CborValue,
  compareBytes,
  decodeCbor,
  HASH_BYTES,
  isValidId,
  KID_BYTES,
  MAX_EXPONENT,
  MIN_EXPONENT,
  ProtocolError,
  PUBLIC_KEY_BYTES,
  utf8Encode,
} from '@commonwatt/firmware-protocol';
import { LedgerError } from '../errors.js';

/** Deepest nesting of any entry or content: fields, list, item, list, item (LOG 1.1). */
const MAX_DEPTH = 6;
/** A vector's content of 10,000 lines stays below this (LOG 6.2). */
export const MAX_CONTENT_BYTES = 4 * 1024 * 1024;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
const MAX_SHOWN = 60;

/** What was expected and what came, for people. */
export function badEntry(what: string, expected: string, got: unknown): LedgerError {
  return new LedgerError('bad-entry', `${what}: expected ${expected}, got ${show(got)}`);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `a map of ${value.size}`;
  return typeof value === 'string' ? JSON.stringify(value.slice(0, MAX_SHOWN)) : String(value);
}

/** Bytes to a value, strictly deterministic (LOG 1.1). */
export function decode(bytes: Uint8Array, what: string, maxBytes = MAX_CONTENT_BYTES): CborValue {
  return refusing(what, () => decodeCbor(bytes, { maxBytes, maxDepth: MAX_DEPTH }));
}

/** Runs a parser of the protocol package; its refusals become `bad-entry`. */
export function refusing<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new LedgerError('bad-entry', `${what}: ${cause.message}`, { cause });
  }
}

/** A map with exactly the required keys and any of the optional ones. */
export function asFields(
  value: CborValue | undefined,
  what: string,
  keys: { readonly required: readonly number[]; readonly optional?: readonly number[] },
): ReadonlyMap<CborKey, CborValue> {
  if (!(value instanceof Map)) throw badEntry(what, 'a map', value);
  const optional = keys.optional ?? [];
  for (const key of keys.required) if (!value.has(key)) throw badEntry(what, `field ${key}`, undefined);
  for (const key of value.keys()) {
    if (!keys.required.includes(key as number) && !optional.includes(key as number)) {
      throw badEntry(what, `only the fields ${[...keys.required, ...optional].join(', ')}`, `field ${String(key)}`);
    }
  }
  return value;
}

/** An array, of exactly `length` items where given. */
export function asArray(value: CborValue | undefined, what: string, length?: number): readonly CborValue[] {
  if (!Array.isArray(value)) throw badEntry(what, 'a list', value);
  if (length !== undefined && value.length !== length) throw badEntry(what, `${length} items`, value);
  return value;
}

/** A whole number from `min` to `max`, by default 0 to 2^53 - 1. */
export function asUint(value: CborValue | undefined, what: string, range: { min?: number; max?: number } = {}): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  if (typeof value !== 'number' || value < min || value > max) {
    throw badEntry(what, `a whole number from ${min} to ${max}`, value);
  }
  return value;
}

/** A whole number from -(2^53 - 1) to 2^53 - 1. */
export function asSafeInt(value: CborValue | undefined, what: string): number {
  return asUint(value, what, { min: -Number.MAX_SAFE_INTEGER });
}

/** One of a closed list of numbers. */
export function asOneOf<const T extends number>(value: CborValue | undefined, what: string, list: readonly T[]): T {
  const known = list.find((one) => one === value);
  if (known === undefined) throw badEntry(what, `one of ${list.join(', ')}`, value);
  return known;
}

/** A counter value: 0 to 2^64 - 1. */
export function asUint64(value: CborValue | undefined, what: string): bigint {
  const big = asBigint(value, what);
  if (big < 0n || big > UINT64_MAX) throw badEntry(what, '0 to 2^64 - 1', big);
  return big;
}

/** Money: micro-credits of 64 bits, signed. */
export function asMicro(value: CborValue | undefined, what: string): bigint {
  const big = asBigint(value, what);
  if (big < INT64_MIN || big > INT64_MAX) throw badEntry(what, '64 bits with a sign', big);
  return big;
}

function asBigint(value: CborValue | undefined, what: string): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw badEntry(what, 'a whole number', value);
  return BigInt(value);
}

/** Money on its way into an entry. Throws `money-range` beyond 64 bits with a sign. */
export function fromMicro(amountMicro: bigint, what: string): bigint {
  if (amountMicro < INT64_MIN || amountMicro > INT64_MAX) {
    throw new LedgerError('money-range', `${what}: expected 64 bits with a sign, got ${amountMicro}`);
  }
  return amountMicro;
}

export function asBytes(value: CborValue | undefined, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw badEntry(what, 'a byte string', value);
  if (length !== undefined && value.length !== length) throw badEntry(what, `${length} bytes`, value);
  return value;
}

export const asHash = (value: CborValue | undefined, what: string): Uint8Array => asBytes(value, what, HASH_BYTES);
export const asKid = (value: CborValue | undefined, what: string): Uint8Array => asBytes(value, what, KID_BYTES);
export const asKey = (value: CborValue | undefined, what: string): Uint8Array => asBytes(value, what, PUBLIC_KEY_BYTES);

/** An id of LOG 1.2. */
export function asId(value: CborValue | undefined, what: string): string {
  if (typeof value !== 'string' || !isValidId(value)) throw badEntry(what, 'an id', value);
  return value;
}

/** A text of 1 to `maxBytes` bytes of UTF-8. */
export function asText(value: CborValue | undefined, what: string, maxBytes: number): string {
  if (typeof value !== 'string') throw badEntry(what, 'a text', value);
  const length = utf8Encode(value).length;
  if (length === 0 || length > maxBytes) throw badEntry(what, `1 to ${maxBytes} bytes of text`, `${length}`);
  return value;
}

/** A text, or the SHA-256 of one that is too large for an entry (LOG 3.3). */
export type LongText = string | Uint8Array;

/** Longest text that stands in an entry itself; a longer one goes in as its hash. */
export const MAX_LONG_TEXT_BYTES = 32_768;

export function asLongText(value: CborValue | undefined, what: string): LongText {
  return value instanceof Uint8Array ? asHash(value, what) : asText(value, what, MAX_LONG_TEXT_BYTES);
}

/** What `longText` makes of a text: itself, or its hash where it is too large. */
export function longText(hasher: { sha256(...parts: Uint8Array[]): Uint8Array }, text: string): LongText {
  const bytes = utf8Encode(text);
  return bytes.length > MAX_LONG_TEXT_BYTES ? hasher.sha256(bytes) : text;
}

export const asExponent = (value: CborValue | undefined, what: string): number =>
  asUint(value, what, { min: MIN_EXPONENT, max: MAX_EXPONENT });

/** Throws unless no two items are the same. */
export function checkDistinct(items: readonly (string | number)[], what: string): void {
  const seen = new Set<string | number>();
  for (const item of items) {
    if (seen.has(item)) throw badEntry(what, 'each once', `${item} twice`);
    seen.add(item);
  }
}

/** Throws unless the items rise strictly, by the given order. */
export function checkRising<T>(items: readonly T[], what: string, compare: (a: T, b: T) => number): void {
  for (let i = 1; i < items.length; i += 1) {
    if (compare(items[i - 1]!, items[i]!) >= 0) throw badEntry(what, 'strictly rising order', `a break at item ${i}`);
  }
}

/** The order of the ids' bytes (LOG 1.2): ids are ASCII, so the order of the characters is that of the bytes. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}
