/** Integers of CBOR straight into place (RFC 8949 section 3): for columns of thousands, where a general writer asks too much. */
import { CborWriter } from '@commonwatt/firmware-protocol';

/** Bytes of the longest integer of 64 bits. */
export const MAX_INTEGER_BYTES = 9;

const TWO_32 = 0x1_0000_0000;
const UNSIGNED = 0x00;
const NEGATIVE = 0x20;

/** Any integer of 64 bits with a sign, as a number only where it is safe. Returns where it ends. */
export function putInteger(out: Uint8Array, at: number, value: number | bigint): number {
  if (typeof value === 'bigint') return putBig(out, at, value);
  return value < 0 ? putHead(out, at, NEGATIVE, -1 - value) : putHead(out, at, UNSIGNED, value);
}

/** A safe integer >= 0. Returns where it ends. */
export function putUnsigned(out: Uint8Array, at: number, value: number): number {
  return putHead(out, at, UNSIGNED, value);
}

function putHead(out: Uint8Array, start: number, major: number, value: number): number {
  let at = start;
  if (value < 24) {
    out[at++] = major | value;
    return at;
  }
  if (value < 0x100) {
    out[at++] = major | 24;
    out[at++] = value;
    return at;
  }
  if (value < 0x1_0000) {
    out[at++] = major | 25;
    out[at++] = value >>> 8;
    out[at++] = value;
    return at;
  }
  if (value < TWO_32) {
    out[at++] = major | 26;
    return put32(out, at, value);
  }
  out[at++] = major | 27;
  return put32(out, put32(out, at, Math.floor(value / TWO_32)), value % TWO_32);
}

function put32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

function putBig(out: Uint8Array, at: number, value: bigint): number {
  const bytes = new CborWriter(MAX_INTEGER_BYTES).int(value).finish();
  out.set(bytes, at);
  return at + bytes.length;
}
