/** Kind 15 (LOG 5.15): a frame whose signature held and that forks the chain, kept for whoever must judge. Private. */
import { cborMap, encodeCbor } from '@commonwatt/firmware-protocol';
import { MAX_ENTRY_BYTES } from '@commonwatt/firmware-protocol/log';
import { asBytes, asFields, asKid, asUint, badEntry, decode } from './fields.js';

export interface Evidence {
  readonly kid: Uint8Array;
  readonly epoch: number;
  readonly number: number;
  /** The refused frame's bytes. */
  readonly message: Uint8Array;
}

/** Content of an evidence entry. */
export function encodeEvidenceContent(evidence: Evidence): Uint8Array {
  const content = encodeCbor(
    cborMap([
      [1, evidence.kid],
      [2, evidence.epoch],
      [3, evidence.number],
      [4, evidence.message],
    ]),
  );
  parseEvidenceContent(content);
  return content;
}

/** Untrusted: an opened evidence entry. */
export function parseEvidenceContent(content: Uint8Array): Evidence {
  const what = 'evidence';
  const fields = asFields(decode(content, what, MAX_ENTRY_BYTES), what, { required: [1, 2, 3, 4] });
  const message = asBytes(fields.get(4), `${what}: refused message`);
  if (message.length === 0) throw badEntry(`${what}: refused message`, 'bytes', message);
  return {
    kid: asKid(fields.get(1), `${what}: kid`),
    epoch: asUint(fields.get(2), `${what}: epoch`, { min: 1, max: 0xffff_ffff }),
    number: asUint(fields.get(3), `${what}: number`, { min: 1 }),
    message,
  };
}
