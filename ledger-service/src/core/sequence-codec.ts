/** The row of a box's numbers in bytes: each accepted frame writes one. CBOR, an array in the order below. */
import { type CborValue, CborWriter, decodeCbor, fromHex, HASH_BYTES, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import type { SequenceRow } from './rows.js';

const FIELDS = 16;
/** All but gaps and recent entries, at their longest. */
const FIXED_BYTES = 1 + 12 * 9 + 3 * (HASH_BYTES + 2) + 10;
const GAP_BYTES = 18;

/** The newest number instead of the next one: behind 2^53 - 1 there is none that counts exactly. */
export function encodeSequence(row: SequenceRow): Uint8Array {
  const { epoch, next, expectedPrevious, forked, gaps } = row.state;
  const writer = new CborWriter(FIXED_BYTES + GAP_BYTES * gaps.length + (row.recent?.entries.length ?? 0));
  writer
    .array(FIELDS)
    .uint(epoch)
    .uint(next - 1)
    .bytes(expectedPrevious)
    .simple(forked ? 21 : 20);
  writer.array(2 * gaps.length);
  for (const { first, last } of gaps) writer.uint(first).uint(last);
  writer.uint(row.lastBoot).uint(row.lastUptimeMs).uint(row.lastReceivedS).int(row.lastIndex);
  writer.uint(row.accepted).uint(row.openingIndex);
  writeHex(writer, row.openingRequest);
  writeHex(writer, row.gapRequest);
  writeUint(writer, row.gapIndex);
  writeUint(writer, row.recent?.chunk);
  if (row.recent === undefined) writer.simple(22);
  else writer.bytes(row.recent.entries);
  return writer.finish();
}

function writeHex(writer: CborWriter, hex: string | undefined): void {
  if (hex === undefined) writer.simple(22);
  else writer.bytes(fromHex(hex));
}

function writeUint(writer: CborWriter, value: number | undefined): void {
  if (value === undefined) writer.simple(22);
  else writer.uint(value);
}

/** Throws 'invariant' for bytes that `encodeSequence` did not write. */
export function decodeSequence(bytes: Uint8Array): SequenceRow {
  const fields = new Fields(bytes);
  const state = {
    epoch: fields.number(),
    next: fields.number() + 1,
    expectedPrevious: fields.bytes(),
    forked: fields.take() === true,
    gaps: gapsOf(fields.take()),
  };
  const row = {
    state,
    lastBoot: fields.number(),
    lastUptimeMs: fields.number(),
    lastReceivedS: fields.number(),
    lastIndex: fields.number(),
    accepted: fields.number(),
    openingIndex: fields.number(),
  };
  const [openingRequest, gapRequest] = [fields.optionalBytes(), fields.optionalBytes()];
  const [gapIndex, chunk] = [fields.optionalNumber(), fields.optionalNumber()];
  const entries = fields.optionalBytes();
  return {
    ...row,
    ...(openingRequest && { openingRequest: toHex(openingRequest) }),
    ...(gapRequest && { gapRequest: toHex(gapRequest) }),
    ...(gapIndex !== undefined && { gapIndex }),
    ...(chunk !== undefined && entries && { recent: { chunk, entries } }),
  };
}

class Fields {
  readonly #values: readonly CborValue[];
  #at = 0;

  constructor(bytes: Uint8Array) {
    const values = decodeCbor(bytes);
    if (!Array.isArray(values) || values.length !== FIELDS) throw damaged();
    this.#values = values;
  }

  take(): CborValue {
    return this.#values[this.#at++]!;
  }

  number(): number {
    const value = this.optionalNumber();
    if (value === undefined) throw damaged();
    return value;
  }

  bytes(): Uint8Array {
    const value = this.optionalBytes();
    if (value === undefined) throw damaged();
    return value;
  }

  optionalNumber(): number | undefined {
    const value = this.take();
    if (value === null) return undefined;
    if (typeof value !== 'number') throw damaged();
    return value;
  }

  /** A copy of its own: the row outlives the bytes it came in. */
  optionalBytes(): Uint8Array | undefined {
    const value = this.take();
    if (value === null) return undefined;
    if (!(value instanceof Uint8Array)) throw damaged();
    return value.slice();
  }
}

function gapsOf(value: CborValue): SequenceRow['state']['gaps'] {
  if (!Array.isArray(value) || value.length % 2 !== 0) throw damaged();
  const numbers: readonly CborValue[] = value;
  if (!numbers.every((number): number is number => typeof number === 'number')) throw damaged();
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({ first: numbers[2 * i]!, last: numbers[2 * i + 1]! }));
}

function damaged(): LedgerError {
  return new LedgerError('invariant', 'a row of sequence is not one: rebuild the projections');
}
