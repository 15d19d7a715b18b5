import { commitment, KIND, privateEntry, treeRoot } from '@commonwatt/firmware-protocol/log';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { parseLeaf, parseSeal, parseSealLeafContent, type SealLeaf } from '../src/core/records/index.js';
import { indexKey, openingKey } from '../src/core/rows.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { CommunityWorld, testCrypto } from './support/community-world.js';

const MIDNIGHT_S = 1_760_054_400;
const START_S = MIDNIGHT_S - 1800;
const KWH = 1_000_000;

async function openSeal(store: MemoryStore, index: number, parties: number) {
  const [leaf] = await store.read('sunny', [{ table: 'leaf', key: indexKey(index) }]);
  const { body, kind } = parseLeaf(leaf as Uint8Array);
  expect(kind).toBe(KIND.seal);
  const addresses = Array.from(
    { length: parties },
    (_, part) => ({ table: 'opening', key: openingKey(index, part) }) as const,
  );
  const openings = (await store.read('sunny', addresses)) as Uint8Array[];
  const leaves = openings.map((bytes) =>
    privateEntry(KIND.sealLeaf, commitment(testCrypto.hasher, bytes.subarray(0, 16), bytes.subarray(16))),
  );
  const members = openings.map((bytes): SealLeaf => parseSealLeafContent(bytes.subarray(16)));
  return { seal: parseSeal(body!), root: treeRoot(testCrypto.hasher, leaves), members };
}

describe('the daily seal', () => {
  it('comes with the first frames after midnight and proves every line and balance alone', async () => {
    const store = new MemoryStore();
    const world = await CommunityWorld.create({ store, startS: START_S, rules: { levyBasisPoints: 1000 } });
    const sun = await world.addHome('sun');
    const kettle = await world.addHome('kettle');
    const ledger = await world.own();
    const step = async (n: number) => {
      const timeS = START_S + n * 900;
      world.clock.setS(timeS);
      const frames = [
        { message: sun.seal([{ timeS, values: [0, n * KWH] }]), gateway: 'sun' },
        { message: kettle.seal([{ timeS, values: [2 * n * KWH, 0] }]), gateway: 'kettle' },
      ];
      await ledger.ingestFrames(frames);
      await ledger.settleDue();
    };
    for (const n of [0, 1]) await step(n);
    expect((await ledger.rows()).get('community', '')?.sealNumber).toBe(0);
    for (const n of [2, 3]) await step(n);
    const { sealNumber, sealIndex } = (await ledger.rows()).get('community', '')!;
    expect(sealNumber).toBe(1);
    const { seal, root, members } = await openSeal(store, sealIndex, 3);
    expect(seal).toMatchObject({ number: 1, leafCount: 3, root });
    expect(seal).not.toHaveProperty('previousIndex');
    expect(members.map(({ member }) => member)).toEqual(['commons', 'kettle', 'sun']);
    const [commons, kettleLeaf, sunLeaf] = members;
    expect(kettleLeaf).toMatchObject({ closingMicro: -120_000n, closingMwh: -KWH });
    expect(sunLeaf).toMatchObject({ closingMicro: 108_000n, closingMwh: KWH });
    expect(commons).toMatchObject({ closingMicro: 12_000n, closingMwh: 0, lines: [] });
    expect(sunLeaf?.lines.map(({ postedMicro }) => postedMicro)).toEqual([108_000n]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });

  it('follows on the one before, and is not made twice in a day', async () => {
    const store = new MemoryStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const sun = await world.addHome('sun');
    const ledger = await world.own();
    for (const n of [0, 1, 2, 3, 4, 98, 99]) {
      const timeS = START_S + n * 900;
      world.clock.setS(timeS);
      await ledger.ingestFrames([{ message: sun.seal([{ timeS, values: [0, n] }]), gateway: 'sun' }]);
      await ledger.settleDue();
    }
    const { sealNumber, sealIndex } = (await ledger.rows()).get('community', '')!;
    expect(sealNumber).toBe(2);
    const { seal, root } = await openSeal(store, sealIndex, 2);
    expect(seal).toMatchObject({ number: 2, leafCount: 2, root });
    expect(seal.previousIndex).toBeLessThan(sealIndex);
  });
});
