/** The same frames in any order, repeated and across restarts, end in the same root of balances. */
import { toHex } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import {
  balancesRoot,
  OUTAGE_POLICY,
  type OutagePolicy,
  parseVectorContent,
  SETTLEMENT_REASON,
} from '../src/core/records/index.js';
import { decodeRow } from '../src/core/row-codec.js';
import { openingKey } from '../src/core/rows.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { CommunityWorld, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const HOMES = 4;
const STEPS = 8;

interface Arrival {
  readonly home: string;
  readonly message: Uint8Array;
}

const GRACE_S = 7_200;
/** Some hours before anybody could have waited for 48: then the ledger closes gaps, and what comes later is a replay. */
const LATEST_S = START_S + 40 * 3_600;

async function world(store: MemoryStore, outagePolicy: OutagePolicy): Promise<CommunityWorld> {
  const settings = { settleAfterS: 900, graceS: GRACE_S, outagePolicy };
  return CommunityWorld.create({ store, startS: START_S, settings });
}

/** A few hours of frames with gaps, sealed before anything is sent. `seed` decides what the meters count. */
async function sealedDay(at: CommunityWorld, values: readonly number[]): Promise<readonly Arrival[]> {
  const frames: Arrival[] = [];
  for (let h = 0; h < HOMES; h++) {
    const box = await at.addHome(`home${h}`);
    let imported = 0;
    let exported = 0;
    for (let step = 0; step < STEPS; step++) {
      const value = values[(h * STEPS + step) % values.length]!;
      imported += value % 1_000_003;
      exported += (value * 7) % 900_001;
      // Every fifth value is an outage; every third a reading beside the edge.
      if (value % 5 === 0) continue;
      const timeS = START_S + step * 900 + (value % 3 === 0 ? 30 : 0);
      frames.push({ home: `home${h}`, message: box.seal([{ timeS, values: [imported, exported] }]) });
    }
  }
  return frames;
}

async function rootOf(at: CommunityWorld): Promise<string> {
  const balances = (await (await at.own()).rows()).all('balance');
  const accounts = balances.map(([account, { amountMicro, energyMwh }]) => ({ account, amountMicro, energyMwh }));
  return toHex(balancesRoot(testCrypto.hasher, accounts));
}

interface Course {
  /** Frames in each batch, in turn. */
  readonly batches: readonly number[];
  /** Seconds that pass after each batch, in turn: versions become due, and final, between the frames. */
  readonly pausesS: readonly number[];
}

async function deliver(at: CommunityWorld, frames: readonly Arrival[], course: Course): Promise<void> {
  const { batches, pausesS } = course;
  let from = 0;
  for (let i = 0; from < frames.length; i++) {
    const size = batches[i % batches.length]!;
    const ledger = await at.own();
    await ledger.ingestFrames(frames.slice(from, from + size).map(({ message, home }) => ({ message, gateway: home })));
    at.clock.setS(Math.min(at.clock.nowMs() / 1000 + pausesS[i % pausesS.length]!, LATEST_S));
    if (i % 2 === 0) await ledger.settleDue();
    from += size;
  }
}

async function finish(at: CommunityWorld): Promise<void> {
  at.clock.setS(Math.max(at.clock.nowMs() / 1000, START_S + 86_400));
  await (await at.own()).settleDue();
}

/** How often a version followed a provisional one, and how often a final one. */
async function lateVersions(store: MemoryStore): Promise<{ afterProvisional: number; afterFinal: number }> {
  const late = { afterProvisional: 0, afterFinal: 0 };
  let before: { startS: string; final: boolean } | undefined;
  for (const { key, value } of await store.scan('sunny', 'settlement', { limit: 10_000 })) {
    const [startS = ''] = key.split('/');
    const { reason, final } = decodeRow('settlement', value);
    if (reason === SETTLEMENT_REASON.late && before?.startS === startS) {
      if (before.final) late.afterFinal += 1;
      else late.afterProvisional += 1;
    }
    before = { startS, final };
  }
  return late;
}

describe('the order of arrival', () => {
  it.each([
    ['leave-out', OUTAGE_POLICY.leaveOut],
    ['wait', OUTAGE_POLICY.wait],
    ['estimate', OUTAGE_POLICY.estimate],
  ])('does not matter, nor do repeats, batches, pauses or a restart in the middle: %s', async (_, policy) => {
    let withSharing = 0;
    let withEstimates = 0;
    const late = { afterProvisional: 0, afterFinal: 0 };
    const inputs = fc.record({
      values: fc.array(fc.integer({ min: 1, max: 10 ** 9 }), { minLength: HOMES * STEPS, maxLength: HOMES * STEPS }),
      order: fc.infiniteStream(fc.nat()),
      batches: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
      pausesS: fc.array(fc.constantFrom(0, 60, 900, GRACE_S), { minLength: 1, maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ values, order, batches, pausesS }) => {
        const inOrder = await world(new MemoryStore(), policy);
        const frames = await sealedDay(inOrder, values);
        inOrder.clock.setS(START_S + STEPS * 900);
        await deliver(inOrder, frames, { batches: [1], pausesS: [0] });
        await finish(inOrder);

        const store = new MemoryStore();
        const shuffled = await world(store, policy);
        await sealedDay(shuffled, values);
        shuffled.clock.setS(START_S + STEPS * 900);
        const twice = [...frames, ...frames].map((frame) => ({ frame, rank: order.next().value as number }));
        twice.sort((a, b) => a.rank - b.rank);
        const half = Math.floor(twice.length / 2);
        const arrivals = twice.map(({ frame }) => frame);
        await deliver(shuffled, arrivals.slice(0, half), { batches, pausesS });
        const restarted = shuffled.reopened();
        await deliver(restarted, arrivals.slice(half), { batches, pausesS });
        await finish(restarted);

        expect(await rootOf(restarted)).toBe(await rootOf(inOrder));
        expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
        const sums = (await (await restarted.own()).rows()).all('balance');
        if (sums.some(([, row]) => row.amountMicro !== 0n)) withSharing += 1;
        expect(sums.reduce((sum, [, row]) => sum + row.amountMicro, 0n)).toBe(0n);
        expect(sums.reduce((sum, [, row]) => sum + row.energyMwh, 0)).toBe(0);
        const versions = await lateVersions(store);
        late.afterProvisional += versions.afterProvisional;
        late.afterFinal += versions.afterFinal;
        if (await hasQuality(store, 3)) withEstimates += 1;
      }),
      { numRuns: 20 },
    );
    // Or the equal roots would say nothing.
    expect(withSharing).toBeGreaterThan(3);
    expect(late.afterFinal).toBeGreaterThan(3);
    if (policy !== OUTAGE_POLICY.wait) expect(late.afterProvisional).toBeGreaterThan(3);
    expect(withEstimates > 3).toBe(policy === OUTAGE_POLICY.estimate);
  });
});

async function hasQuality(store: MemoryStore, quality: number): Promise<boolean> {
  for (const { value } of await store.scan('sunny', 'settlement', { limit: 10_000 })) {
    const { index } = decodeRow('settlement', value);
    const [opening] = await store.read('sunny', [{ table: 'opening', key: openingKey(index) }]);
    const { lines } = parseVectorContent((opening as Uint8Array).subarray(16));
    if (lines.some((line) => line.quality === quality)) return true;
  }
  return false;
}
