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
  /** Intervals that are due and cannot be booked, since their money or energy fits no account. */
  readonly heldIntervals: number;
}

export interface Health {
  /** degraded: it works and goes on, but something waits for the operator. unhealthy: it cannot do its work now. */
  readonly status: 'healthy' | 'degraded' | 'unhealthy';
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
  /** By community, how many intervals are held. */
  readonly heldIntervals?: (() => ReadonlyMap<string, number>) | undefined;
  readonly onFault?: ((error: unknown) => void) | undefined;
}): Promise<Health> {
  const { store, clock, probes, heldIntervals, onFault } = input;
  const held = heldIntervals?.() ?? new Map<string, number>();
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
  const communities = await attempt('reading the store', () => readCommunities(store, clock, held), []);
  for (const probe of probes) {
    const reason = await attempt('a check', async () => probe(), undefined);
    if (reason !== undefined) reasons.push(reason);
  }
  if (reasons.length > 0) return { status: 'unhealthy', reasons, communities };
  const waiting = communities.filter((community) => community.heldIntervals > 0).map(heldReason);
  return { status: waiting.length === 0 ? 'healthy' : 'degraded', reasons: waiting, communities };
}

function heldReason({ id, heldIntervals }: CommunityHealth): string {
  const many = heldIntervals === 1 ? '1 interval is' : `${heldIntervals} intervals are`;
  return `community ${id}: ${many} not booked, since the money or energy fits no account; give its meters a power limit`;
}

async function readCommunities(
  store: LedgerStore,
  clock: Clock,
  held: ReadonlyMap<string, number>,
): Promise<CommunityHealth[]> {
  const ids = (await store.communities()).slice(0, MAX_COMMUNITIES_SHOWN);
  const healths = await Promise.all(ids.map((id) => readCommunity(store, clock, { id, held: held.get(id) ?? 0 })));
  return healths.filter((health) => health !== undefined);
}

async function readCommunity(
  store: LedgerStore,
  clock: Clock,
  { id, held }: { id: string; held: number },
): Promise<CommunityHealth | undefined> {
  if ((await store.size(id)) === 0) return undefined;
  const { size, newestReceivedS } = await (await CommunityReader.open(store, id)).communityRow();
  const ageS = Math.max(0, Math.floor(clock.nowMs() / 1000) - newestReceivedS);
  return { id, size, ...(newestReceivedS > 0 ? { newestFrameAgeS: ageS } : {}), heldIntervals: held };
}
