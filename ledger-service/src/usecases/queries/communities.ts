/** What a community is: its genesis, its settings, and how far its log has come. */
import { compareUtf8, toHex } from '@commonwatt/firmware-protocol';
import type { Genesis } from '../../core/records/index.js';
import type { LedgerStore } from '../ports.js';
import { type Page, type PageRequest, pageOf } from './paging.js';
import { CommunityReader } from './reader.js';

export interface CommunitySummary {
  readonly id: string;
  /** Leaves of the log. */
  readonly size: number;
}

export interface CommunityView extends CommunitySummary {
  readonly genesis: Genesis;
  /** The number that the operator key has to sign next. */
  readonly nextNumber: number;
  /** UTC seconds of the newest frame's receipt; absent before the first. */
  readonly newestReceivedS?: number;
  /** The newest seal; absent before the first. */
  readonly seal?: { readonly number: number; readonly index: number };
}

export async function listCommunities(store: LedgerStore, request: PageRequest): Promise<Page<CommunitySummary>> {
  const ids = [...(await store.communities())].sort(compareUtf8);
  const page = pageOf(ids, request, { cursorOf: (id) => id, compare: compareUtf8 });
  const items = await Promise.all(page.items.map(async (id) => ({ id, size: await store.size(id) })));
  return { ...page, items };
}

/** Throws 'not-found'. */
export async function describeCommunity(store: LedgerStore, id: string): Promise<CommunityView> {
  const reader = await CommunityReader.open(store, id);
  const row = await reader.communityRow();
  const signer = await reader.row('signer', toHex(row.genesis.operatorKey));
  return {
    id,
    size: row.size,
    genesis: row.genesis,
    // The genesis itself is the operator's first.
    nextNumber: (signer?.lastNumber ?? 1) + 1,
    ...(row.newestReceivedS > 0 ? { newestReceivedS: row.newestReceivedS } : {}),
    ...(row.sealNumber > 0 ? { seal: { number: row.sealNumber, index: row.sealIndex } } : {}),
  };
}
