/** A whole street comes back after an outage: what its outages reach is read for all of it at once, not home by home. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { OUTAGE_POLICY } from '../src/core/records/index.js';
import { type Box, CommunityWorld } from './support/community-world.js';

const START_S = 1_760_000_400;
const DAY_S = 86_400;
const HOMES = 24;

class CountedStore extends MemoryStore {
  reads = 0;

  override read(...[community, keys]: Parameters<MemoryStore['read']>) {
    this.reads += 1;
    return super.read(community, keys);
  }
}

let store: CountedStore;
let world: CommunityWorld;
let boxes: readonly Box[];

async function readAll(timeS: number, valueMwh: number): Promise<void> {
  const frames = boxes.map((box) => ({ gateway: box.home, message: box.seal([{ timeS, values: [valueMwh, 0] }]) }));
  expect(await (await world.own()).ingestFrames(frames)).toMatchObject({ accepted: HOMES });
}

beforeEach(async () => {
  store = new CountedStore();
  const settings = { outagePolicy: OUTAGE_POLICY.estimate };
  world = await CommunityWorld.create({ store, startS: START_S, settings });
  const added: Box[] = [];
  for (let i = 0; i < HOMES; i++) added.push(await world.addHome(`home${i}`));
  boxes = added;
  await readAll(START_S, 0);
  store.reads = 0;
});

describe('a street that comes back together', () => {
  it('is decided on without stopping for every home', async () => {
    world.clock.setS(START_S + 2 * DAY_S);
    await readAll(START_S + 2 * DAY_S, 1_000_000);
    expect(store.reads).toBeLessThan(HOMES / 4);
  });

  it('is settled without stopping for every home, also by a ledger that has just begun', async () => {
    world.clock.setS(START_S + 10 * DAY_S);
    await readAll(START_S + 10 * DAY_S, 1_000_000);
    store.reads = 0;
    const restarted = await world.reopened().own();
    expect(await restarted.settleDue()).toMatchObject({ versions: 960 });
    expect(store.reads).toBeLessThan(HOMES);
  });
});
