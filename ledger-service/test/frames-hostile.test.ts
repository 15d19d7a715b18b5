/** What an enrolled box or a stranger may send to tire the ledger, and what becomes of it. */
import {
  encodeFramePayload,
  externalData,
  type FramePayload,
  Quantity,
  sealMessage,
} from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import type { ChannelRow } from '../src/core/rows.js';
import type { CommunityLedger } from '../src/usecases/community-ledger.js';
import type { RowAddress } from '../src/usecases/ports.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, seedOf, signerOf, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const KWH = 1_000_000;

class CountingStore extends MemoryStore {
  addresses = 0;

  override async read(community: string, addresses: readonly RowAddress[]): ReturnType<MemoryStore['read']> {
    this.addresses += addresses.length;
    return super.read(community, addresses);
  }
}

let store: CountingStore;
let world: CommunityWorld;
let ledger: CommunityLedger;
let box: Box;

beforeEach(async () => {
  store = new CountingStore();
  world = await CommunityWorld.create({ store, startS: START_S, intervalS: 300 });
  box = await world.addHome('home', { quantities: [1, 2, 3, 4, 5], limitW: 10_000 });
  ledger = await world.own();
});

/** As much time in one frame as it can hold: 288 instants, a day apart. */
function longFrame(): FramePayload {
  const payload = box.payload([{ timeS: START_S - 288 * 86_400, values: [1, 1, 1, 1, 1] }]);
  const deltas = new Array<number>(287).fill(1);
  return { ...payload, step: 86_400, channels: payload.channels.map((channel) => ({ ...channel, deltas })) };
}

async function expectRebuilt(): Promise<void> {
  const { tables } = await rebuild({ store, community: 'sunny', crypto: testCrypto });
  expect(tables.filter((table) => !table.equal)).toEqual([]);
}

describe('a stranger', () => {
  it('with a kid that everyone can read does not choose what is read from the store', async () => {
    const payload = encodeFramePayload(longFrame());
    const message = sealMessage({
      payload,
      externalData: externalData(world.origin, 'meter-frame/v1'),
      kid: box.kid,
      signer: signerOf(seedOf('stranger')),
    });
    store.addresses = 0;
    const result = await ledger.ingestFrames(new Array(50).fill({ message, gateway: 'home' }));
    expect(result).toMatchObject({ refused: 50 });
    expect(store.addresses).toBeLessThanOrEqual(100);
  });
});

describe('a frame over most of a year', () => {
  it('is accepted, and only what lies near its instants is looked at', async () => {
    store.addresses = 0;
    const message = box.sealPayload(longFrame());
    expect(await ledger.ingestFrames([{ message, gateway: 'home' }])).toMatchObject({ accepted: 1 });
    // Of 83,000 intervals and 1,500 days of readings.
    expect(store.addresses).toBeLessThan(6_000);
    await expectRebuilt();
  });
});

describe('times that no clock shows', () => {
  const times = fc.oneof(
    fc.constantFrom(0, 1, 299, 300, 86_399, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 86_400, 999_999_999_999),
    fc.nat(Number.MAX_SAFE_INTEGER),
    fc.integer({ min: START_S - 7200, max: START_S + 7200 }),
  );
  const clocks = fc.record({
    source: fc.nat(4),
    errorMs: fc.oneof(fc.constantFrom(0, 20, 3000, 3001, Number.MAX_SAFE_INTEGER), fc.nat(10_000_000)),
    ageS: fc.constant(0),
  });
  const values = fc.array(fc.nat(2 * KWH), { minLength: 5, maxLength: 5 });

  it('are accepted as frames, never as readings of the future, and rebuild the same', async () => {
    const list = fc.array(fc.record({ timeS: times, clock: clocks, values, waitS: fc.nat(1000) }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(list, async (frames) => {
        store = new CountingStore();
        world = await CommunityWorld.create({ store, startS: START_S, intervalS: 300 });
        box = await world.addHome('home', { quantities: [1, 2, 3, 4, 5], limitW: 10_000 });
        ledger = await world.own();
        let nowS = START_S;
        for (const { timeS, clock, values: counters, waitS } of frames) {
          const message = box.seal([{ timeS, values: counters }], { clock, step: [] });
          expect(await ledger.ingestFrames([{ message, gateway: 'home' }])).toMatchObject({ accepted: 1 });
          nowS += waitS;
          world.clock.setS(nowS);
          await ledger.settleDue();
        }
        for (const { baseline, candidate } of (await ledger.rows())
          .all('channel')
          .flatMap(([, row]) => Object.values(row) as ChannelRow[])) {
          for (const reading of [baseline, candidate]) expect(reading?.timeS ?? 0).toBeLessThanOrEqual(nowS + 3600);
        }
        await expectRebuilt();
      }),
      { numRuns: 20 },
    );
  });
});

describe('a counter that leads nowhere', () => {
  it('makes no interval wait for ever: an export without any import is no part of the sharing', async () => {
    for (let step = 0; step < 20; step++) {
      const timeS = START_S + step * 300;
      world.clock.setS(timeS);
      const { channels } = box.payload([{ timeS, values: [0, step * 1000, 0, 0, 0] }]);
      const exported = channels.filter(({ quantity }) => quantity === Quantity.gridExport);
      const message = box.seal([{ timeS, values: [0, step * 1000, 0, 0, 0] }], { channels: exported });
      await ledger.ingestFrames([{ message, gateway: 'home' }]);
      expect((await ledger.settleDue()).versions).toBe(0);
    }
    expect((await ledger.rows()).all('due')).toEqual([]);
    await expectRebuilt();
  });

  it('and that changes nothing of an interval makes no new version of it', async () => {
    const other = await world.addHome('other');
    for (const step of [0, 1]) {
      const timeS = START_S + step * 300;
      world.clock.setS(timeS);
      await ledger.ingestFrames([{ message: other.seal([{ timeS, values: [step * KWH, 0] }]), gateway: 'other' }]);
    }
    world.clock.setS(START_S + 300 + 900);
    expect((await ledger.settleDue()).versions).toBe(1);
    for (const step of [0, 1]) {
      const samples = [{ timeS: START_S + step * 300, values: [0, 5, 9, 9, 9] }];
      const channels = box.payload(samples).channels.filter(({ quantity }) => quantity !== Quantity.gridImport);
      await ledger.ingestFrames([{ message: box.seal(samples, { channels }), gateway: 'home' }]);
    }
    expect((await ledger.settleDue()).versions).toBe(0);
    await expectRebuilt();
  });
});

describe('two communities in one store', () => {
  it('know nothing of each other, not even of the same home and meter', async () => {
    const rainy = await CommunityWorld.create({ store, community: 'rainy', startS: START_S, intervalS: 300 });
    const theirs = await rainy.addHome('home', { quantities: [1, 2, 3, 4, 5], limitW: 10_000 });
    const message = box.seal([{ timeS: START_S, values: [1, 2, 3, 4, 5] }]);
    expect(await (await rainy.own()).ingestFrames([{ message, gateway: 'home' }])).toMatchObject({ refused: 1 });
    expect(await ledger.ingestFrames([{ message, gateway: 'home' }])).toMatchObject({ accepted: 1 });
    const own = theirs.seal([{ timeS: START_S, values: [9, 9, 9, 9, 9] }]);
    expect(await (await rainy.own()).ingestFrames([{ message: own, gateway: 'home' }])).toMatchObject({ accepted: 1 });
    expect((await ledger.rows()).get('channel', 'home-m')?.[1]?.baseline?.valueMwh).toBe(1);
    await expectRebuilt();
    expect((await rebuild({ store, community: 'rainy', crypto: testCrypto })).equal).toBe(true);
  });
});
