/** Kind 4 (LOG 5.4): a gateway begins a fresh sequence. Its device asks; after a fork the operator must agree. */
import { type EpochRequest, parseRequestPayload } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asHash, asUint, badEntry, refusing } from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

/** What the operator signs beside the device's request after a fork. */
export interface EpochApproval {
  readonly number: number;
  /** SHA-256 of the device's whole COSE_Sign1. */
  readonly requestHash: Uint8Array;
}

/** The payload that the operator signs. */
export function encodeEpochApprovalFields(approval: EpochApproval): Uint8Array {
  const payload = encodePayload(KIND.gatewayEpoch, [
    [1, approval.number],
    [2, approval.requestHash],
  ]);
  parseEpochApproval(payload);
  return payload;
}

/** Untrusted. */
export function parseEpochApproval(payload: Uint8Array): EpochApproval {
  const fields = parsePayload(KIND.gatewayEpoch, payload, { required: [1, 2] });
  return {
    number: asUint(fields.get(1), 'gateway epoch: number', { min: 1 }),
    requestHash: asHash(fields.get(2), 'gateway epoch: hash of the request'),
  };
}

/** Untrusted: the payload that the device signed, as it stands in the entry (PROTOCOL 3.1). */
export function parseEpochRequestPayload(payload: Uint8Array): EpochRequest {
  const request = refusing('gateway epoch', () => parseRequestPayload(payload));
  if (request.kind !== KIND.gatewayEpoch) throw badEntry('gateway epoch', 'kind 4', request.kind);
  const { kind: _, ...rest } = request;
  return rest;
}
