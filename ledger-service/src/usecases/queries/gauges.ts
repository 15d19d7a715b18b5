/** Figures of the running ledger for who watches it: how large, how far behind, how long ago each home was heard of. */
import type { Clock, LedgerStore } from '../ports.js';
import { CommunityReader } from './reader.js';

export interface GatewayGauge {
  /** The home's id, which is the gateway's in topics. */
  readonly gateway: string;
  /** Seconds since its newest frame came, by the ledger's clock. */
  readonly newestFrameAgeS: number;
}

export interface CommunityGauges {
  readonly community: string;
  /** Leaves of the log. */
  readonly size: number;
  /** Intervals that are still to be settled, or settled again. */
  readonly openIntervals: number;
  /** Of the devices that may send now and have sent. */
  readonly gateways: readonly GatewayGauge[];
}

/** Communities, and gateways of one, that are told of: figures are for a machine's memory, not for any number. */
const MAX_COMMUNITIES_TOLD = 1000;
const MAX_GATEWAYS_TOLD = 10_000;
/** More open intervals than this are not counted: a hundred days of quarter-hours. */
const MAX_OPEN_COUNTED = 10_000;

export async function gaugesOf({ store, clock }: { store: LedgerStore; clock: Clock }): Promise<CommunityGauges[]> {
  const gauges: CommunityGauges[] = [];
  for (const id of (await store.communities()).slice(0, MAX_COMMUNITIES_TOLD)) {
    if ((await store.size(id)) > 0) gauges.push(await communityGauges(await CommunityReader.open(store, id), clock));
  }
  return gauges;
}

async function communityGauges(reader: CommunityReader, clock: Clock): Promise<CommunityGauges> {
  const nowS = Math.floor(clock.nowMs() / 1000);
  const devices = await reader.scan('device', { limit: MAX_GATEWAYS_TOLD });
  const sequences = new Map(await reader.scan('sequence', { limit: MAX_GATEWAYS_TOLD }));
  const gateways: GatewayGauge[] = [];
  for (const [kid, { home, revokedIndex }] of devices) {
    const sequence = sequences.get(kid);
    if (revokedIndex !== undefined || sequence === undefined || sequence.accepted === 0) continue;
    gateways.push({ gateway: home, newestFrameAgeS: Math.max(0, nowS - sequence.lastReceivedS) });
  }
  return {
    community: reader.id,
    size: await reader.size(),
    openIntervals: (await reader.scan('due', { limit: MAX_OPEN_COUNTED })).length,
    gateways,
  };
}
