/** Whether the ledger can do its work, and how fresh what it knows is. */
import { LedgerError } from '../../core/errors.js';
import type { Clock, LedgerStore } from '../ports.js';
import { CommunityReader } from './reader.js';

/** Something else the ledger needs, a broker for one: says what is wrong with it, or nothing. */
export type Probe = () => Promise<string | undefined> | string | undefined;

export interface CommunityHealth {
  readonly id: string;
  readonly size: number;
  /** Seconds since the newest frame came, by the ledger's clock; absent before the first. */
  readonly newestFrameAgeS?: number;
}

export interface Health {
  readonly isHealthy: boolean;
  /** Why not; empty when healthy. */
  readonly reasons: readonly string[];
  readonly communities: readonly CommunityHealth[];
}

/** Communities whose state is read for one answer. */
const MAX_COMMUNITIES_SHOWN = 1000;

/** Never throws: what fails is a reason, and goes to `onFault` with all it carries. */
export async function healthOf(input: {
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly probes: readonly Probe[];
  readonly onFault?: ((error: unknown) => void) | undefined;
}): Promise<Health> {
  const { store, clock, probes, onFault } = input;
  const reasons: string[] = [];
  // Strangers read this page: the reason is the kind of failure, the path and the cause are for the operator's eyes.
  const attempt = async <Result>(what: string, work: () => Promise<Result>, otherwise: Result): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      onFault?.(error);
      reasons.push(`${what} failed (${error instanceof LedgerError ? error.code : 'unexpected'})`);
      return otherwise;
    }
  };
  const communities = await attempt('reading the store', () => readCommunities(store, clock), []);
  for (const probe of probes) {
    const reason = await attempt('a check', async () => probe(), undefined);
    if (reason !== undefined) reasons.push(reason);
  }
  return { isHealthy: reasons.length === 0, reasons, communities };
}

async function readCommunities(store: LedgerStore, clock: Clock): Promise<CommunityHealth[]> {
  const ids = (await store.communities()).slice(0, MAX_COMMUNITIES_SHOWN);
  const healths = await Promise.all(ids.map((id) => readCommunity(store, clock, id)));
  return healths.filter((health) => health !== undefined);
}

async function readCommunity(store: LedgerStore, clock: Clock, id: string): Promise<CommunityHealth | undefined> {
  if ((await store.size(id)) === 0) return undefined;
  const { size, newestReceivedS } = await (await CommunityReader.open(store, id)).communityRow();
  const ageS = Math.max(0, Math.floor(clock.nowMs() / 1000) - newestReceivedS);
  return { id, size, ...(newestReceivedS > 0 ? { newestFrameAgeS: ageS } : {}) };
}
