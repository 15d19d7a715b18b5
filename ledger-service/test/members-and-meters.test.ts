/** Homes that come, go and change while intervals are settled, and settled again. */
import { keyId, type Quantity, toHex } from '@commonwatt/firmware-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import {
  encodeDeviceFields,
  encodeDeviceRevokedFields,
  encodePartyFields,
  encodeRulesFields,
  type MeterRecord,
  parseVectorContent,
  type RuleSettings,
  type SettlementLine,
} from '../src/core/records/index.js';
import { openingKey, settlementKey } from '../src/core/rows.js';
import type { CommunityLedger } from '../src/usecases/community-ledger.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { Box, CommunityWorld, seedOf, signerOf, testCrypto, type WorldOptions } from './support/community-world.js';

const START_S = 1_760_000_400;
const KWH = 1_000_000;
const at = (step: number): number => START_S + step * 900;

let store: MemoryStore;
let world: CommunityWorld;
let ledger: CommunityLedger;

async function begin(options: Partial<WorldOptions> = {}): Promise<void> {
  store = new MemoryStore();
  world = await CommunityWorld.create({ store, startS: START_S, ...options });
  ledger = await world.own();
}

beforeEach(() => begin());

async function submit(kind: number, payload: Uint8Array): Promise<void> {
  await ledger.submit([{ kind, cose: world.signEntry(payload) }]);
}

const meter = (
  id: string,
  input: Partial<MeterRecord> & { quantities?: readonly Quantity[]; limitW?: number } = {},
) => {
  const { index = 0, generation = 1, quantities = [1, 2], limitW = 0 } = input;
  return {
    index,
    id,
    generation,
    channels: quantities.map((quantity) => ({ quantity, exponent: -3, widthBits: 64, limitW }) as const),
  };
};

/** Enrols a box under a key of its own. */
async function enrol(
  name: string,
  input: { home: string; member: string; meters: readonly MeterRecord[] },
): Promise<Box> {
  const signer = signerOf(seedOf(name));
  const kid = keyId(testCrypto.hasher, signer.publicKey);
  const device = { number: world.nextNumber(), kid, key: signer.publicKey, ...input };
  await submit(2, encodeDeviceFields(testCrypto.hasher, device));
  const previous = await ledger.openingHash(toHex(kid));
  return new Box({ home: input.home, origin: world.origin, signer, kid, quantities: [1, 2], previous });
}

async function read(box: Box, step: number, values: readonly number[], meterIndex = 0): Promise<void> {
  const samples = [{ timeS: at(step), values }];
  const channels = box.payload(samples).channels.map((channel) => ({ ...channel, meterIndex }));
  const result = await ledger.ingestFrames([{ message: box.seal(samples, { channels }), gateway: box.home }]);
  expect(result.accepted).toBe(1);
}

async function settleAt(step: number): Promise<number> {
  world.clock.setS(at(step));
  return (await ledger.settleDue()).versions;
}

async function linesOf(step: number, version: number): Promise<readonly SettlementLine[]> {
  const [row] = await store.read('sunny', [{ table: 'settlement', key: settlementKey(at(step), version) }]);
  const { index } = JSON.parse(row as string) as { index: number };
  const [opening] = await store.read('sunny', [{ table: 'opening', key: openingKey(index) }]);
  return parseVectorContent((opening as Uint8Array).subarray(16)).lines;
}

async function expectRebuilt(): Promise<void> {
  const { tables, equal } = await rebuild({ store, community: 'sunny', crypto: testCrypto });
  expect(tables.filter((table) => !table.equal)).toEqual([]);
  expect(equal).toBe(true);
}

describe('a gateway that is revoked', () => {
  it('keeps what it had measured when the interval is settled again', async () => {
    const [sun, kettle, late] = [
      await world.addHome('sun'),
      await world.addHome('kettle'),
      await world.addHome('late'),
    ];
    for (const step of [0, 1]) {
      world.clock.setS(at(step));
      await read(sun, step, [0, step * 2 * KWH]);
      await read(kettle, step, [step * KWH, 0]);
    }
    await read(late, 0, [0, 0]);
    expect(await settleAt(2)).toBe(1);
    await world.revoke(sun, encodeDeviceRevokedFields);
    await read(late, 1, [KWH, 0]);
    expect(await settleAt(3)).toBe(1);
    const lines = await linesOf(0, 2);
    expect(lines.map(({ member, needMwh, offerMwh, quality }) => [member, needMwh, offerMwh, quality])).toEqual([
      ['kettle', KWH, 0, 0],
      ['late', KWH, 0, 0],
      ['sun', 0, 2 * KWH, 0],
    ]);
    expect((await ledger.rows()).get('balance', 'sun')).toMatchObject({ amountMicro: 240_000n, energyMwh: 2 * KWH });
    await expectRebuilt();
  });

  it('is not waited for in the next interval, and has no line in it', async () => {
    const [sun, kettle] = [await world.addHome('sun'), await world.addHome('kettle')];
    for (const box of [sun, kettle]) await read(box, 0, [0, 0]);
    await world.revoke(sun, encodeDeviceRevokedFields);
    world.clock.setS(at(1));
    await read(kettle, 1, [KWH, 0]);
    expect(await settleAt(1)).toBe(1);
    expect((await linesOf(0, 1)).map(({ member }) => member)).toEqual(['kettle']);
    expect((await ledger.rows()).all('due')).toEqual([]);
  });

  it('loses the frames that waited for others, and is answered no more', async () => {
    const sun = await world.addHome('sun');
    const [, second] = [0, 1].map((step) => sun.seal([{ timeS: at(step), values: [0, step] }]));
    expect(await ledger.ingestFrames([{ message: second!, gateway: 'sun' }])).toMatchObject({ parked: 1 });
    await world.revoke(sun, encodeDeviceRevokedFields);
    expect(await store.scan('sunny', 'parked', { limit: 10 })).toEqual([]);
    world.clock.setS(START_S + 3 * 86_400);
    expect(await ledger.settleDue()).toMatchObject({ versions: 0, answers: [] });
    await expectRebuilt();
  });

  it('hands its meter over to the next gateway, which counts on from where it was', async () => {
    await world.addParty('sun');
    await world.addParty('kettle');
    const old = await enrol('old', { home: 'roof', member: 'sun', meters: [meter('m-sun')] });
    const kettle = await enrol('kettle', { home: 'flat', member: 'kettle', meters: [meter('m-kettle')] });
    await read(old, 0, [0, 100 * KWH]);
    await read(kettle, 0, [0, 0]);
    await expect(enrol('new', { home: 'roof', member: 'sun', meters: [meter('m-sun')] })).rejects.toThrow(
      /revoke it first/,
    );
    // The number of a refused entry is not used up.
    const number = await ledger.nextNumber(toHex(world.operator.publicKey));
    await submit(3, encodeDeviceRevokedFields({ number, kid: old.kid }));
    const signer = signerOf(seedOf('new'));
    const kid = keyId(testCrypto.hasher, signer.publicKey);
    const device = {
      number: number + 1,
      kid,
      key: signer.publicKey,
      home: 'roof',
      member: 'sun',
      meters: [meter('m-sun')],
    };
    await submit(2, encodeDeviceFields(testCrypto.hasher, device));
    const previous = await ledger.openingHash(toHex(kid));
    const next = new Box({ home: 'roof', origin: world.origin, signer, kid, quantities: [1, 2], previous });
    world.clock.setS(at(1));
    await read(next, 1, [0, 101 * KWH]);
    await read(kettle, 1, [KWH, 0]);
    expect(await settleAt(1)).toBe(1);
    expect((await ledger.rows()).get('balance', 'sun')).toMatchObject({ energyMwh: KWH });
    await expectRebuilt();
  });
});

describe('the list of a gateway', () => {
  it('that no longer has a meter does not wait for it, and keeps what it measured', async () => {
    await world.addParty('sun');
    const both = [meter('roof', { index: 0 }), meter('cellar', { index: 1 })];
    const box = await enrol('sun', { home: 'sun', member: 'sun', meters: both });
    const kettle = await world.addHome('kettle');
    await read(kettle, 0, [0, 0]);
    for (const step of [0, 1]) {
      world.clock.setS(at(step));
      await read(box, step, [0, step * KWH], 0);
      await read(box, step, [0, step * KWH], 1);
    }
    expect(await settleAt(2)).toBe(1);
    await enrol('sun', { home: 'sun', member: 'sun', meters: [meter('roof')] });
    await read(kettle, 1, [2 * KWH, 0]);
    expect(await settleAt(2)).toBe(1);
    expect((await linesOf(0, 2)).find(({ member }) => member === 'sun')).toMatchObject({ offerMwh: 2 * KWH });
    await read(box, 2, [0, 3 * KWH], 0);
    await read(kettle, 2, [4 * KWH, 0]);
    expect(await settleAt(2)).toBe(1);
    expect((await linesOf(1, 1)).find(({ member }) => member === 'sun')).toMatchObject({
      offerMwh: 2 * KWH,
      quality: 0,
    });
    expect((await ledger.rows()).get('meter', 'cellar')).toHaveProperty('removedIndex');
    await expectRebuilt();
  });

  it('takes a meter up again in its generation only, and for its member only', async () => {
    for (const member of ['sun', 'moon']) await world.addParty(member);
    const place = { home: 'sun', member: 'sun' };
    await enrol('sun', { ...place, meters: [meter('roof'), meter('cellar', { index: 1 })] });
    await enrol('sun', { ...place, meters: [meter('roof')] });
    const again = (name: string, input: Parameters<typeof enrol>[1]) => {
      const signer = signerOf(seedOf(name));
      const kid = keyId(testCrypto.hasher, signer.publicKey);
      return ledger
        .nextNumber(toHex(world.operator.publicKey))
        .then((number) =>
          submit(2, encodeDeviceFields(testCrypto.hasher, { number, kid, key: signer.publicKey, ...input })),
        );
    };
    const newer = [meter('roof'), meter('cellar', { index: 1, generation: 2 })];
    await expect(again('sun', { ...place, meters: newer })).rejects.toThrow(/generation 1, got 2/);
    await expect(again('moon', { home: 'moon', member: 'moon', meters: [meter('cellar')] })).rejects.toThrow(
      /expected sun, for whom it has measured/,
    );
    await again('sun', { ...place, meters: [meter('roof'), meter('cellar', { index: 1 })] });
    expect((await ledger.rows()).get('meter', 'cellar')).not.toHaveProperty('removedIndex');
    await expectRebuilt();
  });

  it('has a key that nobody else signs with', async () => {
    await world.addParty('sun');
    const signer = world.answer;
    const kid = keyId(testCrypto.hasher, signer.publicKey);
    const device = { number: world.nextNumber(), kid, key: signer.publicKey, home: 'sun', member: 'sun', meters: [] };
    await expect(submit(2, encodeDeviceFields(testCrypto.hasher, device))).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('a member of several meters', () => {
  const CASES = [
    [
      0,
      [
        ['a', 'm1', 3, 1],
        ['a', 'm2', 0, 4],
        ['b', 'b-m', 5, 0],
      ],
    ],
    [
      1,
      [
        ['a', 'm1', 2, 0],
        ['a', 'm2', 0, 4],
        ['b', 'b-m', 5, 0],
      ],
    ],
    [
      2,
      [
        ['a', '', 0, 2],
        ['b', '', 5, 0],
      ],
    ],
  ] as const;

  it.each(CASES)('is settled by netting %i', async (netting, expected) => {
    await begin({ rules: { netting } });
    await world.addParty('a');
    const one = await enrol('one', { home: 'a1', member: 'a', meters: [meter('m1')] });
    const two = await enrol('two', { home: 'a2', member: 'a', meters: [meter('m2')] });
    const other = await world.addHome('b');
    for (const box of [one, two, other]) await read(box, 0, [0, 0]);
    world.clock.setS(at(1));
    await read(one, 1, [3 * KWH, KWH]);
    await read(two, 1, [0, 4 * KWH]);
    await read(other, 1, [5 * KWH, 0]);
    expect(await settleAt(1)).toBe(1);
    const lines = await linesOf(0, 1);
    expect(lines.map((line) => [line.member, line.meter, line.needMwh / KWH, line.offerMwh / KWH])).toEqual(expected);
    await expectRebuilt();
  });
});

describe('rules that begin while intervals run', () => {
  const rules = (firstIntervalS: number, settings: Partial<RuleSettings>) =>
    encodeRulesFields({
      number: world.nextNumber(),
      settings: {
        netting: 2,
        consumerRule: 1,
        producerRule: 1,
        priceMicroPerKwh: 120_000,
        levyBasisPoints: 0,
        ...settings,
      },
      firstIntervalS,
      text: 'from then on',
    });

  it('hold for intervals that start under them, whenever those are settled', async () => {
    const [sun, kettle] = [await world.addHome('sun'), await world.addHome('kettle')];
    await submit(8, rules(at(2), { priceMicroPerKwh: 200_000, levyBasisPoints: 1000 }));
    for (let step = 0; step < 4; step++) {
      world.clock.setS(at(step));
      await read(sun, step, [0, step * KWH]);
      if (step !== 2) await read(kettle, step, [step * KWH, 0]);
    }
    await settleAt(10);
    expect((await linesOf(0, 1)).map(({ amountMicro }) => amountMicro)).toEqual([-120_000n, 120_000n]);
    await expectRebuilt();
    expect((await ledger.rows()).get('balance', 'commons')).toBeUndefined();
  });

  it('are not taken for the past, once there is one', async () => {
    await expect(submit(8, rules(at(0) - 900, {}))).rejects.toMatchObject({ code: 'bad-entry' });
  });

  it('need somebody who holds the commons', async () => {
    await begin({ settings: { commonsMember: 'fund' }, startS: START_S }).catch((error: Error) => {
      expect(error.message).toMatch(/no member fund for the commons/);
    });
    expect(await store.size('sunny')).toBe(2);
  });

  it('cannot be such that a mad pair of meters holds up the others', async () => {
    await begin({ rules: { priceMicroPerKwh: 1_000_000_000_000 } });
    const [sun, kettle] = [await world.addHome('sun'), await world.addHome('kettle')];
    const mad = 4_000_000_000_000_000;
    for (const [step, value] of [0, mad, mad + KWH].entries()) {
      world.clock.setS(at(step));
      await read(sun, step, [0, value]);
      await read(kettle, step, [value, 0]);
    }
    expect(await settleAt(3)).toBe(1);
    expect((await ledger.rows()).all('due').map(([key]) => Number(key))).toEqual([at(0)]);
    expect((await linesOf(1, 1)).map(({ amountMicro }) => amountMicro)).toEqual([
      -1_000_000_000_000n,
      1_000_000_000_000n,
    ]);
    await expectRebuilt();
  });

  it('cannot be such that energy beyond any balance holds up the others', async () => {
    for (const member of ['sun', 'kettle']) await world.addParty(member);
    const meters = (name: string) => [0, 1, 2].map((index) => meter(`${name}${index}`, { index }));
    const sun = await enrol('sun', { home: 'sun', member: 'sun', meters: meters('s') });
    const kettle = await enrol('kettle', { home: 'kettle', member: 'kettle', meters: meters('k') });
    const mad = 4_000_000_000_000_000;
    for (let step = 0; step < 5; step++) {
      world.clock.setS(at(step));
      for (let index = 0; index < 3; index++) {
        // One meter after the other goes mad; in the last interval a single kWh flows.
        const value = (step > index ? mad : 0) + (step === 4 ? KWH : 0);
        await read(sun, step, [0, value], index);
        await read(kettle, step, [value, 0], index);
      }
    }
    expect(await settleAt(5)).toBe(3);
    expect((await ledger.rows()).all('due').map(([key]) => Number(key))).toEqual([at(2)]);
    expect((await ledger.rows()).get('balance', 'sun')).toMatchObject({ energyMwh: 2 * mad + 3 * KWH });
    await expectRebuilt();
  });
});

describe('limits and units beyond reason', () => {
  it('stop neither a frame nor a settlement', async () => {
    const sun = await world.addHome('sun', { limitW: Number.MAX_SAFE_INTEGER });
    const kettle = await world.addHome('kettle', { limitW: 100_000_000 });
    await read(kettle, 0, [0, 0]);
    // A clock that lost its battery: a reading of 1970.
    const lost = kettle.seal([{ timeS: 0, values: [0, 0] }], { clock: { source: 0, errorMs: 0, ageS: 0 } });
    expect(await ledger.ingestFrames([{ message: lost, gateway: 'kettle' }])).toMatchObject({ accepted: 1 });
    await read(sun, 0, [0, 0]);
    world.clock.setS(at(1));
    await read(sun, 1, [0, KWH]);
    await read(kettle, 1, [KWH, 0]);
    expect(await settleAt(1)).toBe(1);
    await expectRebuilt();
  });
});

describe('a party', () => {
  it('that is entered again keeps its key and its balance', async () => {
    const sun = await world.addHome('sun');
    const before = await store.read('sunny', [{ table: 'privacy_key', key: 'sun' }]);
    await submit(
      1,
      encodePartyFields({ number: world.nextNumber(), member: 'sun', memberClass: 3, name: 'The baker' }),
    );
    expect(await store.read('sunny', [{ table: 'privacy_key', key: 'sun' }])).toEqual(before);
    expect((await ledger.rows()).get('party', 'sun')).toMatchObject({ memberClass: 3, name: 'The baker' });
    await read(sun, 0, [0, 0]);
    await expectRebuilt();
  });
});
