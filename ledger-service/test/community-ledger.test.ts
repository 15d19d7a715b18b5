import {
  parseAnswer,
  parseAnswerMessage,
  parseSignedAnswer,
  VERDICT,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { CommunityWorld, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const KWH = 1_000_000;

async function twoHomes(options: Partial<Parameters<typeof CommunityWorld.create>[0]> = {}) {
  const store = options.store ?? new MemoryStore();
  const world = await CommunityWorld.create({ store, startS: START_S, ...options });
  const sun = await world.addHome('sun');
  const kettle = await world.addHome('kettle');
  return { world, store, sun, kettle, ledger: await world.own() };
}

describe('a quarter of an hour between two neighbours', () => {
  it('books the kettle what the sun gave, and the sums are zero', async () => {
    const { world, ledger, sun, kettle, store } = await twoHomes();
    await ledger.ingestFrames([
      { message: sun.seal([{ timeS: START_S, values: [0, 5 * KWH] }]), gateway: 'sun' },
      { message: kettle.seal([{ timeS: START_S, values: [7 * KWH, 0] }]), gateway: 'kettle' },
    ]);
    world.clock.setS(START_S + 900);
    const result = await ledger.ingestFrames([
      { message: sun.seal([{ timeS: START_S + 900, values: [0, 6 * KWH] }]), gateway: 'sun' },
      { message: kettle.seal([{ timeS: START_S + 900, values: [9 * KWH, 0] }]), gateway: 'kettle' },
    ]);
    expect(result).toMatchObject({ accepted: 2, duplicate: 0, refused: 0 });
    expect((await ledger.settleDue()).versions).toBe(1);
    const rows = await ledger.rows();
    expect(rows.get('balance', 'sun')).toEqual({ amountMicro: 120_000n, energyMwh: KWH });
    expect(rows.get('balance', 'kettle')).toEqual({ amountMicro: -120_000n, energyMwh: -KWH });
    const report = await rebuild({ store, community: 'sunny', crypto: testCrypto });
    expect(report.tables.filter(({ equal }) => !equal)).toEqual([]);
    expect(report.equal).toBe(true);
  });

  it('knows who is enrolled, and whoever is later', async () => {
    const { world, ledger } = await twoHomes();
    await ledger.rows();
    const homes = ['sun', 'kettle', 'roof', ''];
    expect(homes.map((home) => ledger.isEnrolled(home))).toEqual([true, true, false, false]);
    await world.addHome('roof');
    expect(homes.map((home) => ledger.isEnrolled(home))).toEqual([true, true, true, false]);
  });

  it('answers with receipts that prove themselves', async () => {
    const { world, ledger, sun } = await twoHomes();
    const message = sun.seal([{ timeS: START_S, values: [0, 0] }]);
    const { answers } = await ledger.ingestFrames([{ message, gateway: 'sun' }]);
    const opened = parseAnswerMessage(answers[0]!.bytes);
    expect(opened.kind).toBe('receipt');
    if (opened.kind !== 'receipt') return;
    const { hasher, verifier } = testCrypto;
    const proof = verifyReceipt({
      answer: opened.answer,
      message,
      origin: world.origin,
      logKey: world.log.publicKey,
      hasher,
      verifier,
    });
    expect(proof.checkpoint.size).toBe(proof.index + 1);
  });

  it('answers the same bytes with the first receipt and writes nothing', async () => {
    const { ledger, sun, store } = await twoHomes();
    const message = sun.seal([{ timeS: START_S, values: [0, 0] }]);
    const first = await ledger.ingestFrames([{ message, gateway: 'sun' }]);
    const size = await store.size('sunny');
    const again = await ledger.ingestFrames([{ message, gateway: 'other' }]);
    expect(again).toMatchObject({ accepted: 0, duplicate: 1 });
    expect(again.answers[0]).toEqual(first.answers[0]);
    expect(await store.size('sunny')).toBe(size);
  });

  it('settles a late frame again, as a difference to what was booked', async () => {
    const { world, ledger, sun, kettle, store } = await twoHomes();
    await ledger.ingestFrames([
      { message: sun.seal([{ timeS: START_S, values: [0, 0] }]), gateway: 'sun' },
      { message: kettle.seal([{ timeS: START_S, values: [0, 0] }]), gateway: 'kettle' },
    ]);
    world.clock.setS(START_S + 1800);
    await ledger.ingestFrames([
      { message: kettle.seal([{ timeS: START_S + 900, values: [2 * KWH, 0] }]), gateway: 'kettle' },
    ]);
    expect((await ledger.settleDue()).versions).toBe(1);
    const rows = await ledger.rows();
    expect(rows.get('balance', 'kettle')).toBeUndefined();
    await ledger.ingestFrames([{ message: sun.seal([{ timeS: START_S + 900, values: [0, KWH] }]), gateway: 'sun' }]);
    expect((await ledger.settleDue()).versions).toBe(1);
    expect(rows.get('balance', 'kettle')?.amountMicro).toBe(-120_000n);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });

  it('becomes final after the grace with postings of nothing', async () => {
    const { world, ledger, sun, kettle, store } = await twoHomes({
      settings: { settleAfterS: 0, graceS: 0, maxSpanS: 0 },
    });
    await ledger.ingestFrames([
      { message: sun.seal([{ timeS: START_S, values: [0, 0] }]), gateway: 'sun' },
      { message: kettle.seal([{ timeS: START_S, values: [0, 0] }]), gateway: 'kettle' },
    ]);
    world.clock.setS(START_S + 900);
    await ledger.ingestFrames([
      { message: kettle.seal([{ timeS: START_S + 900, values: [2 * KWH, 0] }]), gateway: 'kettle' },
    ]);
    expect((await ledger.settleDue()).versions).toBe(2);
    expect((await ledger.rows()).all('due')).toEqual([]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });
});

describe('frames out of order', () => {
  it('parks what is ahead and accepts it by itself when the gap closes', async () => {
    const { ledger, sun } = await twoHomes();
    const frames = [0, 1, 2].map((i) => sun.seal([{ timeS: START_S + i * 60, values: [i, i] }]));
    const ahead = await ledger.ingestFrames([frames[2]!, frames[1]!].map((message) => ({ message, gateway: 'sun' })));
    expect(ahead).toMatchObject({ accepted: 0, parked: 2 });
    const closed = await ledger.ingestFrames([{ message: frames[0]!, gateway: 'sun' }]);
    expect(closed).toMatchObject({ accepted: 3 });
    expect(closed.answers.map(({ bytes }) => parseAnswer(bytes).number)).toEqual([1, 2, 3]);
  });

  it('keeps a fork as evidence and credits the key no more', async () => {
    const { world, ledger, sun, store } = await twoHomes();
    const payload = sun.payload([{ timeS: START_S, values: [0, 0] }]);
    const other = sun.sealPayload({ ...payload, startS: START_S + 1 });
    await ledger.ingestFrames([{ message: sun.seal([{ timeS: START_S, values: [0, 0] }]), gateway: 'sun' }]);
    const { answers } = await ledger.ingestFrames([
      { message: other, gateway: 'sun' },
      { message: sun.seal([{ timeS: START_S + 60, values: [1, 1] }]), gateway: 'sun' },
    ]);
    const opened = answers.map(({ bytes }) =>
      parseSignedAnswer({
        bytes,
        origin: world.origin,
        answerKey: world.answer.publicKey,
        verifier: testCrypto.verifier,
      }),
    );
    expect(opened.map(({ code }) => code)).toEqual([VERDICT.fork, VERDICT.fork]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });
});

describe('rows of another form', () => {
  it('are not read as if they were of this one: the sentence says what to do', async () => {
    const { world, store } = await twoHomes();
    const [community] = await store.read('sunny', [{ table: 'community', key: '' }]);
    const size = await store.size('sunny');
    const writes = [
      { table: 'community', key: '', value: (community as string).replace(/"form":\d+,/, '') },
      { table: 'sequence', key: 'ab', value: '{"state":{}}' },
    ] as const;
    await store.commit('sunny', { expectedSize: size, newSize: size, writes });
    await expect((await world.reopened().own()).rows()).rejects.toMatchObject({
      code: 'invariant',
      message: expect.stringMatching(/projections of form \d+, got 1; rebuild the projections/),
    });
    const rebuilt = () => rebuild({ store, community: 'sunny', crypto: testCrypto });
    expect(await rebuilt()).toMatchObject({ isMadeAnew: true });
    expect(await rebuilt()).toMatchObject({ isMadeAnew: false, equal: true });
    expect((await (await world.reopened().own()).rows()).all('device')).toHaveLength(2);
  });
});
