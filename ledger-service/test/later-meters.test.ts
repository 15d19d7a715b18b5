/** A meter that is enrolled later takes nobody out of the intervals that were over by then. */
import { keyId } from '@commonwatt/firmware-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { encodeDeviceFields } from '../src/core/records/index.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, seedOf, signerOf, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const DAY_S = 86_400;

let store: MemoryStore;
let world: CommunityWorld;
let ben: Box;
let carla: Box;
let roof: Box;

beforeEach(async () => {
  store = new MemoryStore();
  world = await CommunityWorld.create({ store, startS: START_S });
  ben = await world.addHome('ben', { quantities: [1] });
  carla = await world.addHome('carla', { quantities: [1] });
  roof = await world.addHome('roof', { quantities: [2] });
});

async function read(box: Box, valuesMwh: readonly number[]): Promise<void> {
  const samples = valuesMwh.map((valueMwh, step) => ({ timeS: START_S + step * 900, values: [valueMwh] }));
  await (await world.own()).ingestFrames([{ message: box.seal(samples), gateway: box.home }]);
}

async function settle(): Promise<void> {
  await (await world.own()).settleDue();
}

/** A second meter of ben's, with a box of its own. */
async function addSecondMeter(): Promise<void> {
  const { publicKey } = signerOf(seedOf('a second box'));
  const channels = [{ quantity: 1, exponent: -3, widthBits: 64, limitW: 0 }] as const;
  const device = encodeDeviceFields(testCrypto.hasher, {
    number: world.nextNumber(),
    kid: keyId(testCrypto.hasher, publicKey),
    key: publicKey,
    home: 'ben2',
    member: 'ben',
    meters: [{ index: 0, id: 'ben-heat', generation: 1, channels }],
  });
  await (await world.own()).submit([{ kind: 2, cose: world.signEntry(device) }]);
}

async function balances(): Promise<Record<string, number>> {
  const rows = (await (await world.own()).rows()).all('balance');
  return Object.fromEntries(rows.map(([account, { energyMwh }]) => [account, energyMwh]));
}

describe('a second meter of a member', () => {
  it.each([
    ['after', [() => read(carla, [0, 300, 600]), settle, addSecondMeter]],
    ['before', [addSecondMeter, () => read(carla, [0, 300, 600]), settle]],
  ])(
    "leaves the member in what was over when it came, whether it comes %s a neighbour's readings",
    async (_, steps) => {
      world.clock.setS(START_S + 3 * 900);
      await read(roof, [0, 5_000, 10_000]);
      await read(ben, [0, 1_000, 2_000]);
      world.clock.setS(START_S + DAY_S);
      await settle();
      for (const step of steps) await step();
      expect(await balances()).toEqual({ ben: -2_000, carla: -600, roof: 2_600 });
      expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
    },
  );
});

describe('a new home', () => {
  it('has its part in them as soon as its readings say so', async () => {
    world.clock.setS(START_S + 3 * 900);
    for (const box of [ben, carla]) await read(box, [0, 1_000, 2_000]);
    await read(roof, [0, 5_000, 10_000]);
    await settle();
    world.clock.setS(START_S + 4 * 900);
    await read(await world.addHome('dora', { quantities: [1] }), [0, 700, 1_400]);
    await settle();
    expect(await balances()).toEqual({ ben: -2_000, carla: -2_000, dora: -1_400, roof: 5_400 });
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });
});
