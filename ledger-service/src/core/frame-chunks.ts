/**
 * Which entry each of a box's numbers became: ten numbers a row (as many as fit into an array that needs no memory of its
 * own), six bytes big endian for each up to the last that has one, all ones where no frame is. The frame itself, by which
 * bytes that come again are told, lies in the entry's opening.
 */
import { bytesEqual } from '@commonwatt/firmware-protocol';
import { SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from './errors.js';
import { type FrameContent, parseFrameContent } from './records/index.js';
import { CHUNK_NUMBERS } from './rows.js';

const SLOT_BYTES = 6;
const EMPTY = 2 ** 48 - 1;

/** Index of the entry that this number became; undefined where no frame is. */
export function indexIn(chunk: Uint8Array | undefined, number: number): number | undefined {
  const at = slotOf(number);
  if (chunk === undefined || at >= chunk.length) return undefined;
  const index = readSlot(chunk, at);
  return index === EMPTY ? undefined : index;
}

/** The row with this number's entry in it. Throws 'invariant' unless `0 <= index < 2^48 - 1`. */
export function withIndex(chunk: Uint8Array | undefined, number: number, index: number): Uint8Array {
  if (!(index >= 0 && index < EMPTY)) throw new LedgerError('invariant', `an index of 48 bits: got ${index}`);
  const at = slotOf(number);
  const grown = new Uint8Array(Math.max(chunk?.length ?? 0, at + SLOT_BYTES));
  if (chunk !== undefined) grown.set(chunk);
  grown.fill(0xff, chunk?.length ?? 0);
  writeSlot(grown, at, index);
  return grown;
}

/** What a frame's opening holds, when its message is this very one. */
export function sameFrame(opening: Uint8Array, message: Uint8Array): FrameContent | undefined {
  const content = parseFrameContent(opening.subarray(SALT_BYTES));
  return bytesEqual(content.message, message) ? content : undefined;
}

function slotOf(number: number): number {
  return (number % CHUNK_NUMBERS) * SLOT_BYTES;
}

function readSlot(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + SLOT_BYTES; i++) value = value * 256 + bytes[i]!;
  return value;
}

function writeSlot(bytes: Uint8Array, at: number, value: number): void {
  let rest = value;
  for (let i = at + SLOT_BYTES - 1; i >= at; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
