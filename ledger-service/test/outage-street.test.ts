/** Whoever comes back after an outage: what it reaches is read at once, not home by home or meter by meter. */
import { keyId, Quantity, toHex } from '@commonwatt/firmware-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { encodeDeviceFields, OUTAGE_POLICY } from '../src/core/records/index.js';
import { Box, CommunityWorld, seedOf, signerOf, testCrypto } from './support/community-world.js';

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
  it.each([2, 40])('after %i days is decided on without stopping for every home', async (days) => {
    world.clock.setS(START_S + days * DAY_S);
    await readAll(START_S + days * DAY_S, 1_000_000);
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

describe('a box of many meters that comes back', () => {
  it('is decided on without stopping for every meter, however long it was away', async () => {
    const meters = 6;
    const signer = signerOf(seedOf('a box of many meters'));
    const kid = keyId(testCrypto.hasher, signer.publicKey);
    const channels = [{ quantity: Quantity.gridImport, exponent: -3, widthBits: 64, limitW: 0 }] as const;
    const device = encodeDeviceFields(testCrypto.hasher, {
      number: world.nextNumber(),
      kid,
      key: signer.publicKey,
      home: 'many',
      member: 'home0',
      meters: Array.from({ length: meters }, (_, index) => ({ index, id: `many-${index}`, generation: 1, channels })),
    });
    const ledger = await world.own();
    await ledger.submit([{ kind: 2, cose: world.signEntry(device) }]);
    const previous = await ledger.openingHash(toHex(kid));
    const quantities = [Quantity.gridImport];
    const box = new Box({ home: 'many', origin: world.origin, signer, kid, quantities, previous });
    for (const day of [0, 60]) {
      const timeS = START_S + day * DAY_S;
      const counters = Array.from({ length: meters }, (_, meterIndex) => {
        return { meterIndex, quantity: Quantity.gridImport, status: 0, first: BigInt(day), deltas: [] } as const;
      });
      const message = box.seal([{ timeS, values: [0] }], { channels: counters });
      world.clock.setS(timeS);
      store.reads = 0;
      expect(await ledger.ingestFrames([{ message, gateway: 'many' }])).toMatchObject({ accepted: 1 });
    }
    expect(store.reads).toBeLessThan(meters);
  });
});
