/** More intervals than one commit looks at: every one has its turn, wherever in the list it stands. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { decodeRow } from '../src/core/row-codec.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { CommunityWorld, testCrypto } from './support/community-world.js';

const INTERVAL_S = 300;
const START_S = 1_717_200_000;
/** One commit looks at 1,024. */
const INTERVALS = 1_200;
const INSTANTS_A_FRAME = 288;
const GRACE_S = 30 * 86_400;

const edgeS = (n: number): number => START_S + n * INTERVAL_S;

async function versions(store: MemoryStore): Promise<{ reason: number; final: boolean }[]> {
  const rows = await store.scan('sunny', 'settlement', { limit: 10_000 });
  return rows.map(({ value }) => decodeRow('settlement', value));
}

describe('intervals that wait for the end of their grace', () => {
  it('hold up neither a late one behind them nor each other', async () => {
    const store = new MemoryStore();
    const settings = { settleAfterS: INTERVAL_S, graceS: GRACE_S };
    let pauses = 0;
    const pause = async () => {
      pauses += 1;
    };
    const world = await CommunityWorld.create({ store, startS: START_S, intervalS: INTERVAL_S, settings, pause });
    const sun = await world.addHome('sun');
    const quiet = await world.addHome('quiet');
    const ledger = await world.own();
    world.clock.setS(edgeS(INTERVALS) + 2 * INTERVAL_S);
    for (let first = 0; first <= INTERVALS; first += INSTANTS_A_FRAME) {
      const count = Math.min(INSTANTS_A_FRAME, INTERVALS + 1 - first);
      const readings = Array.from({ length: count }, (_, i) => ({
        timeS: edgeS(first + i),
        values: [0, (first + i) * 1_000] as [number, number],
      }));
      await ledger.ingestFrames([{ message: sun.seal(readings), gateway: 'sun' }]);
    }

    expect((await ledger.settleDue()).versions).toBe(INTERVALS);
    // Others have had their turn between the shares.
    expect(pauses).toBeGreaterThan(0);
    expect((await ledger.settleDue()).versions).toBe(0);

    const late = [INTERVALS - 1, INTERVALS].map((n) => ({
      timeS: edgeS(n),
      values: [n * 2_000, 0] as [number, number],
    }));
    await ledger.ingestFrames([{ message: quiet.seal(late), gateway: 'quiet' }]);
    expect((await ledger.settleDue()).versions).toBe(1);

    world.clock.setS(edgeS(INTERVALS) + GRACE_S);
    // The last one is final: it is complete since the late frame.
    expect((await ledger.settleDue()).versions).toBe(INTERVALS - 1);
    expect((await ledger.settleDue()).versions).toBe(0);
    const booked = await versions(store);
    expect(booked.filter(({ reason }) => reason === 2)).toHaveLength(INTERVALS);
    expect(booked.filter(({ reason }) => reason === 3)).toHaveLength(1);
    expect(booked.filter(({ reason, final }) => reason === 6 && final)).toHaveLength(INTERVALS - 1);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });
});
