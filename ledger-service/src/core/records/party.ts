/** Kind 1 (LOG 5.1): who holds a balance. Private: names and addresses. */
import { checkPublicKey } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asId, asKey, asOneOf, asText, asUint, refusing } from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

/** 1 household, 2 commons, 3 commercial. */
export type MemberClass = 1 | 2 | 3;

export interface Party {
  readonly number: number;
  readonly member: string;
  readonly memberClass: MemberClass;
  readonly name?: string;
  readonly address?: string;
  /** With which the member signs transfers and commands. */
  readonly memberKey?: Uint8Array;
}

const MAX_NAME_BYTES = 256;
const MAX_ADDRESS_BYTES = 1024;

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodePartyFields(party: Party): Uint8Array {
  const payload = encodePayload(KIND.party, [
    [1, party.number],
    [2, party.member],
    [3, party.memberClass],
    [4, party.name],
    [5, party.address],
    [6, party.memberKey],
  ]);
  parseParty(payload);
  return payload;
}

/** Untrusted. */
export function parseParty(payload: Uint8Array): Party {
  const fields = parsePayload(KIND.party, payload, { required: [1, 2, 3], optional: [4, 5, 6] });
  const memberKey = fields.has(6) ? asKey(fields.get(6), 'party: member key') : undefined;
  if (memberKey !== undefined) refusing('party', () => checkPublicKey(memberKey));
  return {
    number: asUint(fields.get(1), 'party: number', { min: 1 }),
    member: asId(fields.get(2), 'party: member'),
    memberClass: asOneOf(fields.get(3), 'party: class', [1, 2, 3]),
    ...(fields.has(4) && { name: asText(fields.get(4), 'party: name', MAX_NAME_BYTES) }),
    ...(fields.has(5) && { address: asText(fields.get(5), 'party: address', MAX_ADDRESS_BYTES) }),
    ...(memberKey !== undefined && { memberKey }),
  };
}
