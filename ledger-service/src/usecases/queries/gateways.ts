/** Gateways: how far the sequence of each has come, and what was made of its frames. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { toHex } from '@commonwatt/firmware-protocol';
import { leafHash } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../../core/errors.js';
import { type DeviceRow, indexKey, parkedKey, type SequenceRow } from '../../core/rows.js';
import { type Page, type PageRequest, pageOfRead } from './paging.js';
import type { CommunityReader } from './reader.js';
import { scanPage } from './registry.js';

/** Parked frames of one gateway are counted up to here: the ledger keeps 500. */
const MAX_PARKED_COUNTED = 1000;

export interface GatewayView {
  readonly kid: string;
  readonly publicKey: string;
  readonly home: string;
  readonly member: string;
  readonly enrolledIndex: number;
  readonly revokedIndex?: number;
  /** Absent until the ledger opened the first sequence. */
  readonly epoch?: number;
  /** What frame 1 of the open epoch names as previous: the leaf hash of the entry that opened it, hex. */
  readonly openingHash?: string;
  readonly nextNumber?: number;
  readonly lastReceivedS?: number;
  readonly acceptedFrames: number;
  readonly parkedFrames: number;
  readonly gaps: number;
  readonly forked: boolean;
  /** Readings of its meters that were kept but can never be an interval's edge. */
  readonly flaggedReadings: number;
  readonly acceptedReadings: number;
}

export async function listGateways(
  reader: CommunityReader,
  hasher: Hasher,
  request: PageRequest,
): Promise<Page<GatewayView>> {
  const page = pageOfRead(await scanPage(reader, 'device', request), request.limit, ([kid]) => kid);
  const kids = page.items.map(([kid]) => kid);
  const sequences = await reader.rows('sequence', kids);
  const items = await Promise.all(
    page.items.map(([kid, device], i) => gatewayView(reader, hasher, { kid, device, sequence: sequences[i] })),
  );
  return { ...page, items };
}

interface GatewayRows {
  readonly kid: string;
  readonly device: DeviceRow;
  readonly sequence: SequenceRow | undefined;
}

async function gatewayView(
  reader: CommunityReader,
  hasher: Hasher,
  { kid, device, sequence }: GatewayRows,
): Promise<GatewayView> {
  const meters = await reader.rows(
    'channel',
    device.meters.map(({ id }) => id),
  );
  const channels = device.meters.flatMap(({ channels }, i) => channels.map(({ quantity }) => meters[i]?.[quantity]));
  const parked = await reader.sources('parked', {
    from: parkedKey(kid, 0),
    to: `${kid}0`,
    limit: MAX_PARKED_COUNTED,
  });
  return {
    kid,
    publicKey: device.publicKey,
    home: device.home,
    member: device.member,
    enrolledIndex: device.index,
    ...(device.revokedIndex === undefined ? {} : { revokedIndex: device.revokedIndex }),
    ...(sequence && { openingHash: await openingHash(reader, hasher, sequence.openingIndex) }),
    ...sequenceView(sequence),
    parkedFrames: parked.length,
    flaggedReadings: sum(channels.map((channel) => channel?.flagged ?? 0)),
    acceptedReadings: sum(channels.map((channel) => channel?.accepted ?? 0)),
  };
}

async function openingHash(reader: CommunityReader, hasher: Hasher, index: number): Promise<string> {
  const leafData = await reader.source('leaf', indexKey(index));
  if (leafData === undefined) throw new LedgerError('invariant', `${reader.id}: entry ${index} has no leaf`);
  return toHex(leafHash(hasher, leafData));
}

function sequenceView(sequence: SequenceRow | undefined) {
  if (sequence === undefined) return { acceptedFrames: 0, gaps: 0, forked: false };
  const { state, accepted, lastReceivedS } = sequence;
  return {
    epoch: state.epoch,
    nextNumber: state.next,
    ...(accepted > 0 ? { lastReceivedS } : {}),
    acceptedFrames: accepted,
    gaps: state.gaps.length,
    forked: state.forked,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
