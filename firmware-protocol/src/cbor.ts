import { bytesEqual, compareBytes } from './bytes.js';
import { CborReader, MAJOR } from './cbor-reader.js';
import { CborWriter } from './cbor-writer.js';
import { ProtocolError, type ProtocolErrorCode } from './errors.js';
import { utf8Decode } from './utf8.js';

/** A key of a map: an integer or a text. */
export type CborKey = number | bigint | string;

/**
 * The values of the project's CBOR profile (PROTOCOL 1.2): integers of 64 bits, byte strings, texts, arrays, maps, booleans
 * and null. No floats, no tags, no undefined. An integer that is not safe is a bigint.
 */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<CborKey, CborValue>;

export interface CborLimits {
  /** Longest input in bytes. */
  readonly maxBytes?: number;
  /** Deepest nesting; a plain value has depth 0. */
  readonly maxDepth?: number;
  /** Code of the error that is thrown; `bad-cbor` unless told. */
  readonly code?: ProtocolErrorCode;
}

/** Defaults for what has no stricter limit of its own. */
export const MAX_CBOR_BYTES = 16 * 1024 * 1024;
export const MAX_CBOR_DEPTH = 16;

/** The deterministic encoding of a value (RFC 8949 section 4.2.1). Throws `out-of-range` or `bad-cbor` for what has none. */
export function encodeCbor(value: CborValue): Uint8Array {
  const writer = new CborWriter();
  writeCbor(writer, value, 0);
  return writer.finish();
}

/** Writes a value at the place a writer has reached. */
function writeCbor(writer: CborWriter, value: CborValue, depth: number): void {
  if (depth > MAX_CBOR_DEPTH) throw new ProtocolError('bad-cbor', `nesting: expected at most ${MAX_CBOR_DEPTH} levels`);
  if (typeof value === 'number' || typeof value === 'bigint') writer.int(value);
  else if (typeof value === 'string') writer.text(value);
  else if (typeof value === 'boolean') writer.simple(value ? 21 : 20);
  else if (value === null) writer.simple(22);
  else if (value instanceof Uint8Array) writer.bytes(value);
  else if (value instanceof Map) writeMap(writer, value, depth);
  else writeArray(writer, value as readonly CborValue[], depth);
}

function writeArray(writer: CborWriter, items: readonly CborValue[], depth: number): void {
  if (!Array.isArray(items))
    throw new ProtocolError('bad-cbor', `value: expected one of the profile, got ${typeof items}`);
  writer.array(items.length);
  for (const item of items) writeCbor(writer, item, depth + 1);
}

function writeMap(writer: CborWriter, map: ReadonlyMap<CborKey, CborValue>, depth: number): void {
  const pairs = [...map].map(([key, value]) => ({ key: encodeKey(key), value }));
  pairs.sort((a, b) => compareBytes(a.key, b.key));
  writer.map(pairs.length);
  let before: Uint8Array | undefined;
  for (const { key, value } of pairs) {
    if (before !== undefined && bytesEqual(before, key)) {
      throw new ProtocolError('bad-cbor', 'map: expected different keys, got the same number as number and as bigint');
    }
    writer.raw(key);
    writeCbor(writer, value, depth + 1);
    before = key;
  }
}

function encodeKey(key: CborKey): Uint8Array {
  const writer = new CborWriter(16);
  return (typeof key === 'string' ? writer.text(key) : writer.int(key)).finish();
}

/**
 * Untrusted bytes to a value. Throws `bad-cbor` (or the code of the limits) for anything that is not the deterministic
 * encoding of exactly one value of the profile: what it returns encodes to the same bytes again. Byte strings are windows
 * on the input.
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = {}): CborValue {
  const code = limits.code ?? 'bad-cbor';
  const maxBytes = limits.maxBytes ?? MAX_CBOR_BYTES;
  if (bytes.length > maxBytes) {
    throw new ProtocolError(code, `CBOR: expected at most ${maxBytes} bytes, got ${bytes.length}`);
  }
  const reader = new CborReader(bytes, code);
  const value = readValue(reader, bytes, limits.maxDepth ?? MAX_CBOR_DEPTH);
  reader.end('CBOR');
  return value;
}

function readValue(reader: CborReader, bytes: Uint8Array, depthLeft: number): CborValue {
  if (depthLeft < 0) throw reader.fail('CBOR', 'less nesting', 'one level more');
  switch (reader.peek('CBOR')) {
    case MAJOR.uint:
      return toInteger(reader.uint64('integer'));
    case MAJOR.negative:
      return reader.negative('integer');
    case MAJOR.bytes:
      return reader.bytes('byte string');
    case MAJOR.text:
      return readText(reader);
    case MAJOR.array:
      return readArray(reader, bytes, depthLeft);
    case MAJOR.map:
      return readMap(reader, bytes, depthLeft);
    case MAJOR.tag:
      throw reader.fail('CBOR', 'an item without a tag', `tag ${reader.tag('CBOR')}`);
    default:
      return readSimple(reader);
  }
}

function toInteger(value: bigint): number | bigint {
  return value <= 0x1f_ffff_ffff_ffffn ? Number(value) : value;
}

function readText(reader: CborReader): string {
  const bytes = reader.textBytes('text');
  try {
    return utf8Decode(bytes);
  } catch {
    throw reader.fail('text', 'UTF-8', 'a wrong sequence');
  }
}

function readSimple(reader: CborReader): boolean | null {
  const value = reader.simple('CBOR');
  if (value === 20) return false;
  if (value === 21) return true;
  if (value === 22) return null;
  throw reader.fail('CBOR', 'false, true or null', `simple value ${value}`);
}

function readArray(reader: CborReader, bytes: Uint8Array, depthLeft: number): CborValue[] {
  const count = reader.array('array');
  const items: CborValue[] = [];
  for (let i = 0; i < count; i++) items.push(readValue(reader, bytes, depthLeft - 1));
  return items;
}

function readMap(reader: CborReader, bytes: Uint8Array, depthLeft: number): Map<CborKey, CborValue> {
  const count = reader.map('map');
  const map = new Map<CborKey, CborValue>();
  let before: Uint8Array | undefined;
  for (let i = 0; i < count; i++) {
    const from = reader.at;
    const key = readKey(reader);
    const encoded = bytes.subarray(from, reader.at);
    if (before !== undefined && compareBytes(before, encoded) >= 0) {
      throw reader.fail('map', 'keys in rising order of their bytes', String(key));
    }
    before = encoded;
    map.set(key, readValue(reader, bytes, depthLeft - 1));
  }
  return map;
}

function readKey(reader: CborReader): CborKey {
  switch (reader.peek('map key')) {
    case MAJOR.uint:
      return toInteger(reader.uint64('map key'));
    case MAJOR.negative:
      return reader.negative('map key');
    case MAJOR.text:
      return readText(reader);
    default:
      throw reader.fail('map key', 'an integer or a text', 'another item');
  }
}

/** A map with small integer keys; a field without a value has no key. */
export function cborMap(entries: readonly (readonly [number, CborValue | undefined])[]): Map<CborKey, CborValue> {
  const map = new Map<CborKey, CborValue>();
  for (const [key, value] of entries) if (value !== undefined) map.set(key, value);
  return map;
}
