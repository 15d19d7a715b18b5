/** Kind 7 (LOG 5.7): numbers that will never come. The ledger writes it when the time is up, or at a device's request. */
import {
  type CborKey,
  type CborValue,
  cborMap,
  type GapRequest,
  parseGapRequest,
  parseRequestPayload,
} from '@commonwatt/firmware-protocol';
import { ENTRY_VERSION, encodeEntry, KIND } from '@commonwatt/firmware-protocol/log';
import { badEntry, refusing } from './fields.js';
import { parseSignedBody } from './signed.js';

/** The body of a gap entry: the ledger's own claim, or the device's signed request. */
export type GapBody =
  | { readonly by: 'ledger'; readonly gap: GapRequest }
  | { readonly by: 'device'; readonly message: Uint8Array };

/** Leaf data of a gap entry that the ledger writes itself. */
export function encodeGap(gap: GapRequest): Uint8Array {
  return encodeEntry(KIND.gap, ENTRY_VERSION, encodeGapBody(gap));
}

/** The body of a gap entry that the ledger writes itself. Throws `bad-entry` for what could not be read back. */
export function encodeGapBody(gap: GapRequest): Map<CborKey, CborValue> {
  const body = cborMap([
    [1, gap.kid],
    [2, gap.epoch],
    [3, gap.first],
    [4, gap.last],
    [5, gap.expectedPrevious],
    [6, gap.nextPrevious],
  ]);
  parseGap(body);
  return body;
}

/** Untrusted: the body of a public gap entry. One field alone is a signed request. */
export function parseGap(body: ReadonlyMap<CborKey, CborValue>): GapBody {
  if (body.size === 1) return { by: 'device', message: parseSignedBody(KIND.gap, body).message };
  return { by: 'ledger', gap: refusing('gap', () => parseGapRequest(body)) };
}

/** Untrusted: the payload that the device signed (PROTOCOL 3.2). */
export function parseGapRequestPayload(payload: Uint8Array): GapRequest {
  const request = refusing('gap', () => parseRequestPayload(payload));
  if (request.kind !== KIND.gap) throw badEntry('gap', 'kind 7', request.kind);
  const { kind: _, ...gap } = request;
  return gap;
}
