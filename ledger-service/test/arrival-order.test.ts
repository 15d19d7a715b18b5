/** The same frames in any order, repeated and across restarts, end in the same root of balances. */
import { toHex } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { balancesRoot } from '../src/core/records/index.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { CommunityWorld, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const HOMES = 4;
const STEPS = 8;

interface Arrival {
  readonly home: string;
  readonly message: Uint8Array;
}

async function world(store: MemoryStore): Promise<CommunityWorld> {
  return CommunityWorld.create({ store, startS: START_S, settings: { settleAfterS: 900, graceS: 7200 } });
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

async function deliver(at: CommunityWorld, frames: readonly Arrival[], batches: readonly number[]): Promise<void> {
  let from = 0;
  for (let i = 0; from < frames.length; i++) {
    const size = batches[i % batches.length]!;
    const ledger = await at.own();
    await ledger.ingestFrames(frames.slice(from, from + size).map(({ message, home }) => ({ message, gateway: home })));
    if (i % 2 === 0) await ledger.settleDue();
    from += size;
  }
  at.clock.setS(START_S + 86_400);
  await (await at.own()).settleDue();
}

describe('the order of arrival', () => {
  it('does not matter, nor do repeats, batches or a restart in the middle', async () => {
    let withSharing = 0;
    const inputs = fc.record({
      values: fc.array(fc.integer({ min: 1, max: 10 ** 9 }), { minLength: HOMES * STEPS, maxLength: HOMES * STEPS }),
      order: fc.infiniteStream(fc.nat()),
      batches: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ values, order, batches }) => {
        const inOrder = await world(new MemoryStore());
        const frames = await sealedDay(inOrder, values);
        inOrder.clock.setS(START_S + STEPS * 900);
        await deliver(inOrder, frames, [1]);

        const store = new MemoryStore();
        const shuffled = await world(store);
        await sealedDay(shuffled, values);
        shuffled.clock.setS(START_S + STEPS * 900);
        const twice = [...frames, ...frames].map((frame) => ({ frame, rank: order.next().value as number }));
        twice.sort((a, b) => a.rank - b.rank);
        const half = Math.floor(twice.length / 2);
        const arrivals = twice.map(({ frame }) => frame);
        await deliver(shuffled, arrivals.slice(0, half), batches);
        const restarted = shuffled.reopened();
        restarted.clock.setS(START_S + 86_400);
        await deliver(restarted, arrivals.slice(half), batches);

        expect(await rootOf(restarted)).toBe(await rootOf(inOrder));
        expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
        const sums = (await (await restarted.own()).rows()).all('balance');
        if (sums.some(([, row]) => row.amountMicro !== 0n)) withSharing += 1;
        expect(sums.reduce((sum, [, row]) => sum + row.amountMicro, 0n)).toBe(0n);
        expect(sums.reduce((sum, [, row]) => sum + row.energyMwh, 0)).toBe(0);
      }),
      { numRuns: 30 },
    );
    // Or the equal roots would say nothing.
    expect(withSharing).toBeGreaterThan(5);
  });
});
