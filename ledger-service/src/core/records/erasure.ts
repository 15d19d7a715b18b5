/** Kind 16 (LOG 5.16): whose contents were dropped; commitments and proofs stay. */
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asArray, asUint, badEntry, checkDistinct } from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

export interface Erasure {
  readonly number: number;
  /** Entries whose contents are dropped. */
  readonly indices: readonly number[];
  /** UTC seconds. */
  readonly whenS: number;
}

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodeErasureFields(erasure: Erasure): Uint8Array {
  const payload = encodePayload(KIND.erasure, [
    [1, erasure.number],
    [2, erasure.indices],
    [3, erasure.whenS],
  ]);
  parseErasure(payload);
  return payload;
}

/** Untrusted. */
export function parseErasure(payload: Uint8Array): Erasure {
  const fields = parsePayload(KIND.erasure, payload, { required: [1, 2, 3] });
  const indices = asArray(fields.get(2), 'erasure: entries').map((index) => asUint(index, 'erasure: entry'));
  if (indices.length === 0) throw badEntry('erasure: entries', 'at least one', indices);
  checkDistinct(indices, 'erasure: entries');
  return {
    number: asUint(fields.get(1), 'erasure: number', { min: 1 }),
    indices,
    whenS: asUint(fields.get(3), 'erasure: when in UTC s'),
  };
}
