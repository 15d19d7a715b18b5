/** Stores that fail, and several ledgers over one store: what is answered is what the store keeps. */
import {
  type Answer,
  encodeGapRequest,
  parseAnswerMessage,
  parseSignedAnswer,
  VERDICT,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { LedgerError } from '../src/core/errors.js';
import { encodeDeviceRevokedFields } from '../src/core/records/index.js';
import type { CommunityLedger, OutgoingAnswer } from '../src/usecases/community-ledger.js';
import type { CommitBatch } from '../src/usecases/ports.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;

/** Fails commits when told to, before or after they are applied, and counts what is asked of it. */
class FaultyStore extends MemoryStore {
  fault: 'none' | 'before' | 'after' = 'none';
  reads = 0;

  override async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    if (this.fault === 'before') throw new LedgerError('store', 'the disk is full');
    const outcome = await super.commit(community, batch);
    if (this.fault === 'after') throw new LedgerError('store', 'the line was cut after the commit');
    return outcome;
  }

  override async read(...input: Parameters<MemoryStore['read']>): ReturnType<MemoryStore['read']> {
    this.reads += 1;
    return super.read(...input);
  }
}

const at = (box: Box, step: number) => box.seal([{ timeS: START_S + step * 900, values: [step, 2 * step] }]);
const frames = (...messages: readonly Uint8Array[]) => messages.map((message) => ({ message, gateway: 'home' }));

function open(world: CommunityWorld, { bytes }: OutgoingAnswer): Answer {
  const opened = parseAnswerMessage(bytes);
  if (opened.kind !== 'signed') return opened.answer;
  const { origin, answer } = world;
  return parseSignedAnswer({ bytes, origin, answerKey: answer.publicKey, verifier: testCrypto.verifier });
}

async function isEqualAfterRebuild(store: MemoryStore): Promise<boolean> {
  return (await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal;
}

describe('a store that refuses a commit', () => {
  it('leaves nothing behind: the same frames are accepted when it works again', async () => {
    const store = new FaultyStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const box = await world.addHome('home');
    const ledger = await world.own();
    const [first, second, third] = [at(box, 0), at(box, 1), at(box, 2)];
    await ledger.ingestFrames(frames(first));
    store.fault = 'before';
    await expect(ledger.ingestFrames(frames(third, second))).rejects.toMatchObject({ code: 'store' });
    store.fault = 'none';
    const rows = await ledger.rows();
    expect(rows.get('sequence', [...rows.all('sequence')][0]![0])?.state.next).toBe(2);
    expect(await ledger.ingestFrames(frames(third, second))).toMatchObject({ accepted: 2, parked: 1 });
    expect(await isEqualAfterRebuild(store)).toBe(true);
  });

  it('after it had applied it, is noticed: the frames are known then', async () => {
    const store = new FaultyStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const box = await world.addHome('home');
    const ledger = await world.own();
    const [first, second] = [at(box, 0), at(box, 1)];
    store.fault = 'after';
    await expect(ledger.ingestFrames(frames(first))).rejects.toMatchObject({ code: 'store' });
    store.fault = 'none';
    expect(await ledger.ingestFrames(frames(first, second))).toMatchObject({ accepted: 1, duplicate: 1 });
    expect(await isEqualAfterRebuild(store)).toBe(true);
  });

  it('in the middle of a settlement or of entries of the operator is no half of them', async () => {
    const store = new FaultyStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const box = await world.addHome('home');
    const ledger = await world.own();
    await ledger.ingestFrames(frames(at(box, 0)));
    world.clock.setS(START_S + 900);
    await ledger.ingestFrames(frames(at(box, 1)));
    store.fault = 'before';
    await expect(ledger.settleDue()).rejects.toMatchObject({ code: 'store' });
    await expect(world.addParty('late')).rejects.toMatchObject({ code: 'store' });
    store.fault = 'none';
    expect((await ledger.rows()).get('party', 'late')).toBeUndefined();
    expect((await ledger.settleDue()).versions).toBe(1);
    expect(await isEqualAfterRebuild(store)).toBe(true);
  });
});

describe('rows are read ahead', () => {
  it('for a batch of new frames, whatever the hour', async () => {
    const store = new FaultyStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const boxes: Box[] = [];
    for (let i = 0; i < 8; i++) boxes.push(await world.addHome(`home${i}`));
    const ledger = await world.own();
    for (let step = 0; step < 100; step++) {
      world.clock.setS(START_S + step * 900);
      store.reads = 0;
      await ledger.ingestFrames(frames(...boxes.map((box) => at(box, step))));
      expect(store.reads).toBeLessThanOrEqual(5);
      store.reads = 0;
      await ledger.settleDue();
      expect(store.reads).toBeLessThanOrEqual(4);
    }
  });

  it('for duplicates from all over the log, for a long run of parked frames, and for late versions', async () => {
    const store = new FaultyStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const box = await world.addHome('home');
    const other = await world.addHome('other');
    const sent = Array.from({ length: 400 }, (_, step) => at(box, step));
    const others = Array.from({ length: 400 }, (_, step) => at(other, step));
    world.clock.setS(START_S + 400 * 900);
    const ledger = await world.own();
    await ledger.ingestFrames(frames(...others));
    await ledger.settleDue();
    await ledger.ingestFrames(frames(...sent.slice(1)));
    store.reads = 0;
    expect(await ledger.ingestFrames(frames(sent[0]!))).toMatchObject({ accepted: 400 });
    expect(store.reads).toBeLessThanOrEqual(6);
    store.reads = 0;
    expect((await ledger.settleDue()).versions).toBeGreaterThan(390);
    // Five commits of 96 intervals.
    expect(store.reads).toBeLessThanOrEqual(5 * 6);
    const restarted = await world.reopened().own();
    store.reads = 0;
    expect(await restarted.ingestFrames(frames(...sent.filter((_, i) => i % 7 === 0)))).toMatchObject({ accepted: 0 });
    expect(store.reads).toBeLessThanOrEqual(8);
  });
});

describe('a rebuild that was cut short', () => {
  it('is said so, and not taken for a log that is empty', async () => {
    const store = new MemoryStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    await world.addHome('home');
    await store.dropProjections('sunny');
    const ledger = await world.reopened().own();
    await expect(ledger.settleDue()).rejects.toThrow(/rebuild the projections/);
    await rebuild({ store, community: 'sunny', crypto: testCrypto });
    expect((await (await world.reopened().own()).settleDue()).versions).toBe(0);
  });
});

describe('two ledgers over one store', () => {
  async function twoLedgers() {
    const store = new MemoryStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const box = await world.addHome('home');
    const elsewhere = world.reopened();
    const [one, two] = [await world.own(), await elsewhere.own()];
    for (const ledger of [one, two]) await ledger.rows();
    const setS = (nowS: number) => {
      for (const { clock } of [world, elsewhere]) clock.setS(nowS);
    };
    return { store, world, box, one, two, setS };
  }

  it('never fork the log, and both answer what the store knows', async () => {
    const { store, world, box, one, two } = await twoLedgers();
    const { hasher, verifier } = testCrypto;
    const sent = Array.from({ length: 12 }, (_, step) => at(box, step));
    const results = await Promise.all(
      sent.flatMap((message) => [one, two].map((ledger) => ledger.ingestFrames(frames(message)))),
    );
    expect(results.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(sent.length);
    for (const { answers } of results) {
      for (const outgoing of answers) {
        const answer = open(world, outgoing);
        if (answer.code !== VERDICT.accepted) continue;
        const message = sent.find((bytes) => hasher.sha256(bytes).join() === answer.messageHash.join())!;
        const { origin, log } = world;
        expect(() => verifyReceipt({ answer, message, origin, logKey: log.publicKey, hasher, verifier })).not.toThrow();
      }
    }
    expect(await isEqualAfterRebuild(store)).toBe(true);
  });

  it('do not refuse what the other one let in: a new home, an epoch, a revocation', async () => {
    const { world, two } = await twoLedgers();
    const late = await world.addHome('late');
    const [receipt] = (await two.ingestFrames(frames(at(late, 0)))).answers;
    expect(open(world, receipt!)).toMatchObject({ code: VERDICT.accepted });
    await world.revoke(late, encodeDeviceRevokedFields);
    const [refusal] = (await two.ingestFrames(frames(at(late, 1)))).answers;
    expect(open(world, refusal!)).toMatchObject({ code: VERDICT['inactive-key'] });
  });

  it('do not lose a frame that one parked and the other one passed', async () => {
    const { store, box, one, two, setS } = await twoLedgers();
    const [first, second, third, fourth] = [0, 1, 2, 3].map((step) => at(box, step));
    await one.ingestFrames(frames(second!));
    // Parking does not move the log, so the other ledger does not know of it.
    expect(await two.ingestFrames(frames(first!))).toMatchObject({ accepted: 1 });
    expect(await two.ingestFrames(frames(second!))).toMatchObject({ accepted: 1 });
    expect(await one.ingestFrames(frames(fourth!))).toMatchObject({ accepted: 0, parked: 1 });
    expect(await one.ingestFrames(frames(third!))).toMatchObject({ accepted: 2 });
    setS(START_S + 3 * 86_400);
    await expect(one.settleDue()).resolves.toBeDefined();
    expect(await store.scan('sunny', 'parked', { limit: 10 })).toEqual([]);
    expect(await isEqualAfterRebuild(store)).toBe(true);
  });

  it('give the same balances as one, whoever is handed what', async () => {
    const arrivals = fc.array(fc.tuple(fc.nat(1), fc.nat(19), fc.boolean()), { minLength: 20, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(arrivals, async (list) => {
        const { store, world, box, one, two, setS } = await twoLedgers();
        const other = await world.addHome('other');
        const sent = Array.from({ length: 20 }, (_, i) => at(i % 2 === 0 ? box : other, i >> 1));
        setS(START_S + 86_400);
        const ledgers: readonly CommunityLedger[] = [one, two];
        await Promise.all(
          list.map(async ([who, which, settles]) => {
            await ledgers[who]!.ingestFrames(frames(sent[which]!));
            if (settles) await ledgers[who]!.settleDue();
          }),
        );
        // Every box sends again what has no receipt, until all is in.
        for (const [i, message] of sent.entries()) await ledgers[i % 2]!.ingestFrames(frames(message));
        for (const ledger of ledgers) await ledger.settleDue();
        const rows = await (await world.reopened().own()).rows();
        expect(rows.all('sequence').map(([, { state }]) => state.next)).toEqual([11, 11]);
        expect(await store.scan('sunny', 'interval', { limit: 20 })).toHaveLength(9);
        expect(await isEqualAfterRebuild(store)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
});

describe('what is asked beside the turns', () => {
  it('sees nothing that is not durable', async () => {
    const store = new FaultyStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const ledger = await world.own();
    const operator = [...(await ledger.rows()).all('signer')][0]![0];
    const before = await ledger.nextNumber(operator);
    store.fault = 'before';
    const submitted = world.addParty('never').catch(() => 'refused');
    expect(await ledger.nextNumber(operator)).toBe(before);
    expect(await submitted).toBe('refused');
  });
});

describe('a gap request that is answered twice', () => {
  it('by two ledgers is granted once', async () => {
    const store = new MemoryStore();
    const world = await CommunityWorld.create({ store, startS: START_S });
    const box = await world.addHome('home');
    const lost = at(box, 0);
    const claim = {
      kid: box.kid,
      epoch: 1,
      first: 1,
      last: 1,
      expectedPrevious: await (await world.own()).openingHash(Buffer.from(box.kid).toString('hex')),
      nextPrevious: testCrypto.hasher.sha256(lost),
    };
    const message = box.sealBytes(encodeGapRequest(claim), 'gap-request/v1');
    const [one, two] = [await world.own(), await world.reopened().own()];
    const answers = (
      await Promise.all([one, two].map((ledger) => ledger.handleEvent({ message, gateway: 'home' })))
    ).flat();
    expect(answers.map((answer) => open(world, answer).code)).toEqual([0, 0]);
    expect(await store.size('sunny')).toBe(6);
  });
});
