/** One seal a day, whatever comes after midnight. */
import { KIND } from '@commonwatt/firmware-protocol/log';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { parseLeaf, parseSealLeafContent, type SealLeaf } from '../src/core/records/index.js';
import { openingKey } from '../src/core/rows.js';
import type { CommunityLedger } from '../src/usecases/community-ledger.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, testCrypto } from './support/community-world.js';

const MIDNIGHT_S = 1_760_054_400;
const DAY_S = 86_400;
const KWH = 1_000_000;

let store: MemoryStore;
let world: CommunityWorld;
let ledger: CommunityLedger;
let sun: Box;
let kettle: Box;

beforeEach(async () => {
  store = new MemoryStore();
  world = await CommunityWorld.create({ store, startS: MIDNIGHT_S - DAY_S });
  sun = await world.addHome('sun');
  kettle = await world.addHome('kettle');
  ledger = await world.own();
});

async function send(...messages: readonly Uint8Array[]): Promise<void> {
  await ledger.ingestFrames(messages.map((message) => ({ message, gateway: 'sun' })));
}

const read = (box: Box, timeS: number, values: readonly number[]) => box.seal([{ timeS, values }]);

/** Indices of the seals in the log. */
async function seals(): Promise<readonly number[]> {
  const leaves = await store.scan('sunny', 'leaf', { limit: 10_000 });
  return leaves.filter(({ value }) => parseLeaf(value as Uint8Array).kind === KIND.seal).map(({ key }) => Number(key));
}

async function leafOf(seal: number, party: number): Promise<SealLeaf> {
  const [opening] = await store.read('sunny', [{ table: 'opening', key: openingKey(seal, party) }]);
  return parseSealLeafContent((opening as Uint8Array).subarray(16));
}

async function expectRebuilt(): Promise<void> {
  const { tables } = await rebuild({ store, community: 'sunny', crypto: testCrypto });
  expect(tables.filter((table) => !table.equal)).toEqual([]);
}

describe('after midnight', () => {
  it('frames that are refused or known make no second seal, whatever is settled between', async () => {
    const times = [MIDNIGHT_S - 1800, MIDNIGHT_S - 900];
    const first = read(sun, times[0]!, [0, 0]);
    world.clock.setS(times[1]!);
    await send(first, read(sun, times[1]!, [0, KWH]), read(kettle, times[0]!, [0, 0]));
    await ledger.settleDue();
    world.clock.setS(MIDNIGHT_S + 10);
    await send(first, Uint8Array.of(1));
    expect(await seals()).toHaveLength(0);
    await world.addParty('late');
    expect(await seals()).toHaveLength(1);
    await world.addParty('later');
    world.clock.setS(MIDNIGHT_S + 600);
    await ledger.settleDue();
    await send(first);
    world.clock.setS(MIDNIGHT_S + 1800);
    await ledger.settleDue();
    await send(Uint8Array.of(2), first);
    expect(await seals()).toHaveLength(1);
    await expectRebuilt();
  });

  it('the first settlements seal the day when no frame comes any more', async () => {
    world.clock.setS(MIDNIGHT_S - 60);
    await send(read(sun, MIDNIGHT_S - 900, [0, 0]), read(sun, MIDNIGHT_S - 60, [0, KWH]));
    await send(read(kettle, MIDNIGHT_S - 900, [0, 0]));
    world.clock.setS(MIDNIGHT_S - 1);
    await send(read(sun, MIDNIGHT_S - 1, [0, KWH]), read(kettle, MIDNIGHT_S - 1, [KWH, 0]));
    await ledger.settleDue();
    expect(await seals()).toEqual([]);
    world.clock.setS(MIDNIGHT_S);
    expect((await ledger.settleDue()).versions).toBe(1);
    const [seal] = await seals();
    expect(await leafOf(seal!, 1)).toMatchObject({ member: 'kettle', closingMwh: -KWH });
    world.clock.setS(MIDNIGHT_S + DAY_S + 60);
    await send(Uint8Array.of(1));
    // The settlement of midnight belongs to the new day, and is sealed with it already.
    expect(await seals()).toHaveLength(1);
    await expectRebuilt();
  });

  it('a day on which nothing happened has no seal', async () => {
    world.clock.setS(MIDNIGHT_S + DAY_S);
    await send(Uint8Array.of(1));
    expect((await ledger.settleDue()).versions).toBe(0);
    expect(await seals()).toEqual([]);
  });

  it('a late version is sealed with what it posted, not with what it says', async () => {
    world.clock.setS(MIDNIGHT_S - 900);
    const start = MIDNIGHT_S - 3600;
    await send(read(sun, start, [0, 0]), read(sun, start + 900, [0, KWH]), read(kettle, start, [0, 0]));
    await ledger.settleDue();
    world.clock.setS(MIDNIGHT_S + 1);
    await send(read(kettle, start + 900, [2 * KWH, 0]));
    await ledger.settleDue();
    world.clock.setS(MIDNIGHT_S + DAY_S + 1);
    await send(read(kettle, MIDNIGHT_S + DAY_S, [3 * KWH, 0]));
    const [first, second] = await seals();
    expect((await leafOf(first!, 1)).lines).toMatchObject([{ postedMicro: 0n, line: { quality: 4 } }]);
    expect((await leafOf(second!, 1)).lines).toMatchObject([
      { postedMicro: -120_000n, line: { amountMicro: -120_000n } },
    ]);
    expect(await seals()).toHaveLength(2);
    await expectRebuilt();
  });
});
