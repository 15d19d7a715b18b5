import {
  channelValues,
  EpochReason,
  parseFramePayload,
  parseSealed,
  parseStatus,
  VERDICT,
} from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { EDGE_MS, imageOf, TestBox } from './support/box.js';
import { FakeLedger, hasher } from './support/fake-ledger.js';
import { settle, unreachable } from './support/fakes.js';

const QUARTER_MS = 900_000;

function numberOf(message: Uint8Array): number {
  return parseFramePayload(parseSealed(message).payload).number;
}

function framesOf({ ledger }: TestBox) {
  return ledger.accepted.map(({ payload }) => payload);
}

describe('a step', () => {
  it('polls, seals, publishes and comes back with the receipt', async () => {
    const box = await new TestBox().start();
    const report = await box.step(EDGE_MS, [1_000n, 20n, 5n]);
    expect(report).toEqual({ sealed: 1, receipts: 1, pending: 0, refused: 0 });
    const [frame] = framesOf(box);
    expect(frame).toMatchObject({ epoch: 1, number: 1, startS: EDGE_MS / 1000, step: [], mono: { boot: 1 } });
    expect(frame!.channels.map(({ quantity, first }) => [quantity, first])).toEqual([
      [1, 1_000n],
      [2, 20n],
      [3, 5n],
    ]);
    expect(box.stats).toMatchObject({ frames_published: 1, frames_sealed: 1, receipts: 1, pending: 0, readings: 1 });
  });

  it('chains each frame to the bytes of the one before', async () => {
    const box = await new TestBox().start();
    for (let i = 0; i < 5; i++) await box.step(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    const accepted = box.ledger.accepted;
    expect(accepted.map(({ payload }) => payload.number)).toEqual([1, 2, 3, 4, 5]);
    for (let i = 1; i < accepted.length; i++) {
      expect(accepted[i]!.payload.previous).toEqual(hasher.sha256(accepted[i - 1]!.message));
    }
  });

  it('takes one commit a frame: what was answered leaves with the next frame', async () => {
    const box = await new TestBox().start();
    let commits = 0;
    const { commit } = box.outbox;
    box.outbox.commit = (batch) => {
      commits++;
      return commit.call(box.outbox, batch);
    };
    for (let i = 0; i < 10; i++) await box.step(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    expect(commits).toBe(10);
    expect(box.outbox.usage().outgoing).toBe(1);
  });

  it('sends nothing for a home without any value, and leaves out a channel that has none', async () => {
    const box = await new TestBox().start();
    expect(await box.step(EDGE_MS, [undefined])).toEqual({ sealed: 0, receipts: 0, pending: 0, refused: 0 });
    box.meters[0]!.failure = unreachable;
    expect(await box.step(EDGE_MS + QUARTER_MS)).toMatchObject({ sealed: 0 });
    box.meters[0]!.failure = undefined;
    await box.step(EDGE_MS + 2 * QUARTER_MS, [undefined, 7n]);
    expect(framesOf(box).map(({ channels }) => channels.map(({ quantity }) => quantity))).toEqual([[2]]);
  });

  it('does not read the same second twice', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    expect(await box.step(EDGE_MS, [1n])).toMatchObject({ sealed: 0, receipts: 0, pending: 0 });
  });

  it('reports what is still unanswered when its time is over', async () => {
    const box = await new TestBox().start();
    box.broker.toLedger = () => false;
    const report = box.step(EDGE_MS, [1n]);
    await box.timers.advance(61_000);
    expect(await report).toEqual({ sealed: 1, receipts: 0, pending: 1, refused: 0 });
  });

  it('puts meters that were read more than a second apart into frames of their own', async () => {
    const box = await new TestBox({ meters: 2 }).start();
    const read = box.meters[1]!.read.bind(box.meters[1]);
    box.meters[1]!.read = async (unit, range, onSent) => {
      onSent?.();
      await settle();
      box.clock.utcMs += 2600;
      return read(unit, range);
    };
    await box.step(EDGE_MS, [1n], [2n]);
    expect(framesOf(box).map(({ channels }) => channels[0]!.meterIndex)).toEqual([0, 1]);
    // Dated in the middle between request and answer.
    expect(framesOf(box).map(({ startS }) => startS - EDGE_MS / 1000)).toEqual([0, 1]);
  });
});

describe('sending', () => {
  it('sends the same bytes again until the answer comes, with growing pauses', async () => {
    const box = await new TestBox().start();
    let lost = 3;
    box.broker.toLedger = () => lost-- <= 0;
    const report = box.step(EDGE_MS, [1n]);
    await settle();
    expect(box.broker.framesPublished).toBe(1);
    await box.timers.advance(4_999);
    expect(box.broker.framesPublished).toBe(1);
    await box.timers.advance(1);
    expect(box.broker.framesPublished).toBe(2);
    await box.timers.advance(9_999);
    expect(box.broker.framesPublished).toBe(2);
    await box.timers.advance(25_000);
    expect(await report).toMatchObject({ receipts: 1, pending: 0 });
    const sent = box.broker.on('frame');
    expect(sent).toHaveLength(4);
    for (const bytes of sent) expect(bytes).toEqual(sent[0]);
  });

  it('keeps sealing while the broker is away and sends everything, in order, when it is back', async () => {
    const box = new TestBox({ config: { pollS: 0 } });
    box.gateway.start();
    for (let i = 0; i < 100; i++) await box.lonelyStep(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    expect(box.condition).toBe('no-broker');
    expect(box.stats).toMatchObject({ pending: 100, frames_published: 0 });
    box.broker.connect();
    await settle();
    expect(framesOf(box).map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(box.stats).toMatchObject({ pending: 0, frames_published: 100 });
  });

  it('survives a broker that repeats and reorders answers and frames', async () => {
    const box = await new TestBox().start();
    const held: Uint8Array[] = [];
    box.broker.toBox = (answer) => {
      held.push(answer);
      return held.length % 3 === 0
        ? held
            .splice(0)
            .reverse()
            .flatMap((bytes) => [bytes, bytes])
        : [];
    };
    for (let i = 0; i < 9; i++) {
      const report = box.step(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
      await settle();
      await box.timers.advance(60_001);
      await report;
    }
    await box.timers.advance(600_000);
    expect(framesOf(box)).toHaveLength(9);
    expect(box.stats.pending).toBe(0);
    expect(Number(box.stats.duplicates)).toBeGreaterThan(0);
  });

  it('sends a missing frame again when the ledger names it', async () => {
    const box = await new TestBox().start();
    box.broker.toLedger = () => false;
    await box.lonelyStep(EDGE_MS, [1n]);
    box.broker.disconnect();
    let sent = 0;
    // The broker loses the first frame once more: the second arrives alone.
    box.broker.toLedger = () => ++sent > 1;
    box.broker.connect();
    await settle();
    const second = box.step(EDGE_MS + QUARTER_MS, [2n]);
    await settle();
    expect(box.ledger.accepted).toHaveLength(0);
    await box.timers.advance(6_000);
    expect(await second).toMatchObject({ receipts: 2, pending: 0 });
    expect(framesOf(box).map(({ number }) => number)).toEqual([1, 2]);
  });

  it('sends a missing frame out of turn when it was asked for, and not once for each frame behind it', async () => {
    const box = await new TestBox().start();
    box.broker.toLedger = () => false;
    await box.lonelyStep(EDGE_MS, [1n]);
    for (let i = 1; i < 20; i++) await box.lonelyStep(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    box.broker.disconnect();
    // Those before it are answered at once, so that several go out behind it.
    let sent = 0;
    box.broker.toLedger = ({ payload }) => numberOf(payload) !== 10 || ++sent > 1;
    box.broker.connect();
    await settle();
    const parked = box.broker.on('frame').filter((payload) => numberOf(payload) > 10).length;
    expect(parked).toBeGreaterThan(2);
    expect(sent).toBe(1);
    await box.timers.advance(1_000);
    box.broker.answer(box.ledger.receive('frame', box.broker.on('frame').at(-1)!)[0]!);
    await settle();
    expect(sent).toBe(2);
    expect(framesOf(box)).toHaveLength(20);
    expect(box.stats.pending).toBe(0);
  });
});

describe('answers that prove nothing', () => {
  it('ignores garbage, forged receipts and unsigned refusals, and counts them', async () => {
    const box = await new TestBox().start();
    const stranger = new FakeLedger(box.ledger.origin);
    stranger.enrol(box.signer.publicKey);
    box.broker.toBox = (answer) => {
      const bent = answer.slice();
      bent[bent.length - 1]! ^= 1;
      return [Uint8Array.of(1, 2, 3), new Uint8Array(200_000), bent];
    };
    const report = box.step(EDGE_MS, [1n]);
    await settle();
    for (const answer of stranger.receive('frame', box.broker.on('frame')[0]!)) box.broker.answer(answer);
    box.broker.answer(stranger.refuse(box.broker.on('frame')[0]!, VERDICT.fork));
    await settle();
    expect(box.stats).toMatchObject({ receipts: 0, refused: 0, pending: 1 });
    expect(Number(box.stats.ignored)).toBeGreaterThanOrEqual(6);
    box.broker.toBox = (answer) => [answer];
    await box.timers.advance(10_000);
    expect(await report).toMatchObject({ receipts: 1, pending: 0 });
  });

  it('says that the log contradicts itself, and keeps the frame', async () => {
    const box = await new TestBox().start();
    // Another history, signed with the same key, in which the log has the same length and another root.
    const twin = new FakeLedger(box.ledger.origin, box.ledger);
    twin.enrol(box.signer.publicKey);
    await box.step(EDGE_MS, [1n]);
    box.broker.toLedger = () => false;
    const report = box.step(EDGE_MS + QUARTER_MS, [2n]);
    await settle();
    box.broker.answer(twin.prove(box.broker.on('frame')[1]!));
    expect(await report).toMatchObject({ receipts: 0, pending: 1 });
    expect(box.condition).toBe('log-contradiction');
  });
});

describe('a start', () => {
  it('sends its newest frame again and seals nothing before the answer', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    await box.step(EDGE_MS + QUARTER_MS, [2n]);
    await box.gateway.stop();
    const before = box.ledger.heard.length;
    box.disk.open = false;
    await box.restart();
    expect(box.ledger.heard.slice(before).map((bytes) => parseFramePayload(parseSealed(bytes).payload).number)).toEqual(
      [2],
    );
    expect(box.condition).toBe('ready');
    await box.step(EDGE_MS + 2 * QUARTER_MS, [3n]);
    expect(framesOf(box).map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(framesOf(box)[2]!.mono.boot).toBe(2);
  });

  it('keeps readings, durable and unsealed, while the newest frame has no answer', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    await box.restart(box.disk, { connect: false });
    for (let i = 1; i < 4; i++) await box.lonelyStep(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    expect(box.disk.samples.size).toBe(3);
    expect(box.stats.frames_sealed).toBe(0);
    box.broker.connect();
    await settle();
    expect(box.disk.samples.size).toBe(0);
    expect(framesOf(box)).toHaveLength(2);
    expect(channelValues(framesOf(box)[1]!.channels[0]!)).toEqual([1n, 2n, 3n]);
  });

  it('asks for a new epoch when it is an old image, and never signs a number twice', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    await box.step(EDGE_MS + QUARTER_MS, [2n]);
    const image = imageOf(box.disk);
    for (let i = 2; i < 6; i++) await box.step(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    await box.restart(image);
    await settle();
    expect(box.ledger.requests).toMatchObject([{ kind: 4, oldEpoch: 1, reason: EpochReason.oldImage }]);
    await box.step(EDGE_MS + 7 * QUARTER_MS, [9n]);
    expect(framesOf(box).at(-1)).toMatchObject({ epoch: 2, number: 1 });
    expect(box.condition).toBe('ready');
    await box.step(EDGE_MS + 8 * QUARTER_MS, [10n]);
    expect(framesOf(box).at(-1)).toMatchObject({ epoch: 2, number: 2 });
    expect(box.outbox.requests()).toHaveLength(0);
  });

  it('asks for a new epoch when its outbox is gone', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    box.hadOutbox = true;
    await box.restart(
      imageOf(new (box.disk.constructor as typeof import('../src/adapters/memory-outbox.js').MemoryDisk)()),
    );
    await settle();
    expect(box.ledger.requests).toMatchObject([{ kind: 4, reason: EpochReason.lostState }]);
    await box.step(EDGE_MS + QUARTER_MS, [2n]);
    expect(framesOf(box).at(-1)).toMatchObject({ epoch: 2, number: 1 });
  });

  it('takes the granted epoch up after a crash between the grant and the first frame', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    const image = imageOf(box.disk);
    await box.step(EDGE_MS + QUARTER_MS, [2n]);
    await box.restart(image);
    await settle();
    expect(box.condition).toBe('ready');
    await box.restart();
    await settle();
    expect(box.condition).toBe('ready');
    expect(box.ledger.requests).toHaveLength(1);
    await box.step(EDGE_MS + 2 * QUARTER_MS, [3n]);
    expect(framesOf(box).at(-1)).toMatchObject({ epoch: 2, number: 1 });
  });

  it('goes on asking after a crash while it asked', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    const image = imageOf(box.disk);
    await box.step(EDGE_MS + QUARTER_MS, [2n]);
    box.broker.toLedger = ({ topic }) => topic.endsWith('frame');
    await box.restart(image);
    box.broker.disconnect();
    await box.restart();
    await settle();
    expect(box.ledger.requests).toHaveLength(1);
    expect(box.condition).toBe('ready');
  });

  it('refuses an outbox of another key', async () => {
    const box = await new TestBox().start();
    const other = new TestBox({ ledger: box.ledger });
    await expect(other.restart(imageOf(box.disk))).rejects.toMatchObject({ code: 'outbox-foreign' });
  });
});

describe('refusals', () => {
  it('shelves a refused frame, opens a new epoch, and seals its readings and those behind it again', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    box.broker.toLedger = () => false;
    for (let i = 1; i < 4; i++) await box.lonelyStep(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    const second = box.broker.on('frame').find((bytes) => numberOf(bytes) === 2)!;
    box.broker.toLedger = () => true;
    box.broker.answer(box.ledger.refuse(second, VERDICT.replay, { openEpoch: 1, next: 2 }));
    await settle();
    expect(box.ledger.requests).toMatchObject([
      { kind: 4, oldEpoch: 1, lastNumber: 1, reason: EpochReason.refusedFrame },
    ]);
    expect(box.stats.refused).toBe(1);
    expect(box.gateway.view().status.shelved).toBe(3);
    await box.step(EDGE_MS + 4 * QUARTER_MS, [4n]);
    const sealed = framesOf(box).filter(({ epoch }) => epoch === 2);
    expect(sealed[0]!.number).toBe(1);
    expect(sealed.flatMap(({ channels }) => channelValues(channels[0]!))).toEqual([1n, 2n, 3n, 4n]);
    expect(box.stats).toMatchObject({ pending: 0, lost_readings: 0 });
  });

  it('waits, and shows why, while its key is unknown; then everything arrives', async () => {
    const box = await new TestBox({ isEnrolled: false }).start();
    expect(await box.step(EDGE_MS, [1n])).toMatchObject({ sealed: 1, pending: 1, refused: 1 });
    expect(box.condition).toBe('not-enrolled');
    expect(await box.step(EDGE_MS + QUARTER_MS, [2n])).toMatchObject({ sealed: 1, pending: 2 });
  });

  it('waits for the operator after a fork, and goes on when he has signed', async () => {
    const box = await new TestBox().start();
    const image = imageOf(box.disk);
    await box.step(EDGE_MS, [1n]);
    // A copy of the card from before the first frame: nothing tells the box that number 1 is used.
    await box.restart(image);
    expect(await box.step(EDGE_MS + QUARTER_MS, [2n])).toMatchObject({ sealed: 1, receipts: 0 });
    await settle();
    expect(box.condition).toBe('forked');
    expect(box.gateway.view().status.shelved).toBe(1);
    box.ledger.operatorSigns = true;
    await box.timers.advance(75_000);
    expect(box.condition).toBe('ready');
    await box.step(EDGE_MS + 2 * QUARTER_MS, [3n]);
    const sealed = framesOf(box).filter(({ epoch }) => epoch === 2);
    expect(sealed.flatMap(({ channels }) => channelValues(channels[0]!))).toEqual([2n, 3n]);
  });

  it('asks for the epoch behind the one that is open when the ledger names another', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    const image = imageOf(box.disk);
    const other = imageOf(box.disk);
    await box.step(EDGE_MS + QUARTER_MS, [2n]);
    await box.restart(image);
    await box.step(EDGE_MS + 2 * QUARTER_MS, [3n]);
    // An even older card: its epoch 1 is closed long since.
    await box.restart(other);
    await settle();
    // One refusal, one pause, one request more: the refused one is not said again and again meanwhile.
    const asked = box.broker.on('event').length;
    expect(asked).toBeLessThanOrEqual(2);
    await box.timers.advance(6_000);
    expect(box.broker.on('event').length).toBeLessThanOrEqual(asked + 1);
    await box.step(EDGE_MS + 3 * QUARTER_MS, [4n]);
    expect(framesOf(box).at(-1)).toMatchObject({ epoch: 3, number: 1 });
  });

  it('gives readings up after they were refused for their content three times', async () => {
    const box = await new TestBox().start();
    box.broker.toLedger = ({ topic }) => topic.endsWith('event');
    const refuseAll = async () => {
      for (const bytes of box.broker.on('frame'))
        box.broker.answer(
          box.ledger.refuse(bytes, VERDICT['bad-payload'], {
            openEpoch: box.ledger.sequenceOf(box.signer.publicKey).epoch,
          }),
        );
      await settle();
    };
    const report = box.step(EDGE_MS, [1n]);
    for (let i = 0; i < 8; i++) {
      await settle();
      await refuseAll();
      await box.timers.advance(30_000);
    }
    await box.timers.advance(60_000);
    await report;
    expect(box.stats.lost_readings).toBe(1);
    expect(box.condition).toBe('ready');
    box.broker.toLedger = () => true;
    expect(await box.step(EDGE_MS + QUARTER_MS, [2n])).toMatchObject({ pending: 0 });
  });
});

describe('status', () => {
  it('is retained, names the condition with a way out, and ends offline', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    await box.timers.advance(61_000);
    const last = box.broker.published.findLast(({ topic }) => topic.endsWith('/status'))!;
    expect(last.retain).toBe(true);
    expect(parseStatus(last.payload)).toMatchObject({
      state: 'online',
      epoch: 1,
      nextNumber: 2,
      pending: 0,
      meters: [{ id: 'meter-0', state: 'ok' }],
    });
    expect(JSON.parse(Buffer.from(last.payload).toString())).toMatchObject({ condition: { name: 'ready' } });
    await box.gateway.stop();
    expect(parseStatus(box.broker.lastWord!.payload)).toEqual({ state: 'offline', gateway: 'gw-1' });
    expect(box.meters[0]!.isClosed).toBe(true);
    expect(box.timers.pending).toBe(0);
  });
});
