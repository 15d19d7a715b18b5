/** What gateways that have forked ask for, and the operator has to sign (LOG 5.4). */
import { type Hasher, parseSealed } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { parseEpochRequestPayload } from '../../core/records/index.js';
import { PENDING_REQUESTS, pendingRequestKey } from '../../core/rows.js';
import { type Page, type PageRequest, pageOfRead } from './paging.js';
import { asBytes, type CommunityReader, keyAfter } from './reader.js';

export interface EpochRequestView {
  /** Key id of the gateway, hex. */
  readonly kid: string;
  readonly home: string;
  readonly member: string;
  /** The epoch that has forked, and is to be closed. */
  readonly epoch: number;
  /** The number that the ledger expects next in it. */
  readonly nextNumber: number;
  /** Of the newest frame that was accepted, UTC seconds; absent before the first. */
  readonly lastReceivedS?: number;
  /** The last number that the box knows to be accepted; 0 for none. */
  readonly lastNumber: number;
  /** Why the box asks (PROTOCOL 3.1). */
  readonly reason: number;
  /** The device's COSE_Sign1, whole, and its SHA-256: that is what the operator signs. */
  readonly request: Uint8Array;
  readonly requestHash: Uint8Array;
}

/** Of each gateway the newest request, by kid. */
export async function listEpochRequests(
  reader: CommunityReader,
  hasher: Hasher,
  { after, limit }: PageRequest,
): Promise<Page<EpochRequestView>> {
  const waiting = await reader.sources('parked', {
    from: after === undefined ? PENDING_REQUESTS : keyAfter(pendingRequestKey(after)),
    to: `${PENDING_REQUESTS}g`,
    limit: limit + 1,
  });
  const page = pageOfRead(waiting, limit, ({ key }) => key.slice(PENDING_REQUESTS.length));
  const items = await Promise.all(
    page.items.map(({ key, value }) => {
      return viewOf(reader, hasher, { kid: key.slice(PENDING_REQUESTS.length), request: asBytes('parked', value) });
    }),
  );
  return { ...page, items };
}

async function viewOf(
  reader: CommunityReader,
  hasher: Hasher,
  { kid, request }: { readonly kid: string; readonly request: Uint8Array },
): Promise<EpochRequestView> {
  const device = await reader.row('device', kid);
  const sequence = await reader.row('sequence', kid);
  if (device === undefined || sequence === undefined) {
    throw new LedgerError('invariant', `${reader.id}: a request of ${kid} waits, and there is no such device`);
  }
  const { lastNumber, reason } = parseEpochRequestPayload(parseSealed(request).payload);
  return {
    kid,
    home: device.home,
    member: device.member,
    epoch: sequence.state.epoch,
    nextNumber: sequence.state.next,
    ...(sequence.accepted > 0 ? { lastReceivedS: sequence.lastReceivedS } : {}),
    lastNumber,
    reason,
    request,
    requestHash: hasher.sha256(request),
  };
}
