/** Kind 14 (LOG 5.14): whose cosignatures a checkpoint needs to be believed. */
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asArray, asText, asUint, badEntry, checkDistinct } from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

export interface WitnessPolicy {
  readonly number: number;
  /** How many witnesses there are. */
  readonly witnesses: number;
  /** How many of them may be wrong or absent. */
  readonly faulty: number;
  /** How many cosignatures a checkpoint needs. */
  readonly needed: number;
  /** Their verifier keys, `name+id+base64` (LOG 9.1). */
  readonly verifierKeys: readonly string[];
}

const MAX_VERIFIER_KEY_BYTES = 512;
const VERIFIER_KEY_PATTERN = /^[^\p{White_Space}\p{Cc}+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$/u;

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodeWitnessPolicyFields(policy: WitnessPolicy): Uint8Array {
  const payload = encodePayload(KIND.witnessPolicy, [
    [1, policy.number],
    [2, policy.witnesses],
    [3, policy.faulty],
    [4, policy.needed],
    [5, policy.verifierKeys],
  ]);
  parseWitnessPolicy(payload);
  return payload;
}

/** Untrusted. */
export function parseWitnessPolicy(payload: Uint8Array): WitnessPolicy {
  const fields = parsePayload(KIND.witnessPolicy, payload, { required: [1, 2, 3, 4, 5] });
  const witnesses = asUint(fields.get(2), 'witness policy: n');
  const verifierKeys = asArray(fields.get(5), 'witness policy: keys', witnesses).map((key) => {
    const text = asText(key, 'witness policy: key', MAX_VERIFIER_KEY_BYTES);
    if (!VERIFIER_KEY_PATTERN.test(text)) throw badEntry('witness policy: key', 'name+id+base64', text);
    return text;
  });
  checkDistinct(verifierKeys, 'witness policy: keys');
  return {
    number: asUint(fields.get(1), 'witness policy: number', { min: 1 }),
    witnesses,
    faulty: asUint(fields.get(3), 'witness policy: f', { max: witnesses }),
    needed: asUint(fields.get(4), 'witness policy: needed', { max: witnesses }),
    verifierKeys,
  };
}
