/** The verdicts in the order of PROTOCOL 5.1, each through the use case, as the box reads them. */
import {
  type Answer,
  CounterCause,
  encodeCounterEvent,
  encodeEpochRequest,
  encodeFramePayload,
  encodeGapRequest,
  externalData,
  parseAnswerMessage,
  parseSignedAnswer,
  Quantity,
  sealMessage,
  toHex,
  VERDICT,
} from '@commonwatt/firmware-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { encodeDeviceRevokedFields } from '../src/core/records/index.js';
import type { CommunityLedger } from '../src/usecases/community-ledger.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, seedOf, signerOf, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;

let world: CommunityWorld;
let ledger: CommunityLedger;
let store: MemoryStore;
let box: Box;

beforeEach(async () => {
  store = new MemoryStore();
  world = await CommunityWorld.create({ store, startS: START_S });
  box = await world.addHome('home');
  ledger = await world.own();
});

function open(bytes: Uint8Array): Answer {
  const opened = parseAnswerMessage(bytes);
  if (opened.kind !== 'signed') return opened.answer;
  const { origin, answer } = world;
  return parseSignedAnswer({ bytes, origin, answerKey: answer.publicKey, verifier: testCrypto.verifier });
}

async function send(...messages: readonly Uint8Array[]): Promise<readonly Answer[]> {
  const { answers } = await ledger.ingestFrames(messages.map((message) => ({ message, gateway: 'home' })));
  return answers.map(({ bytes }) => open(bytes));
}

async function request(message: Uint8Array): Promise<readonly Answer[]> {
  return (await ledger.handleEvent({ message, gateway: 'home' })).map(({ bytes }) => open(bytes));
}

const codes = (answers: readonly Answer[]): readonly number[] => answers.map(({ code }) => code);
const at = (step: number) => [{ timeS: START_S + step, values: [step, step] }];

describe('the envelope and the key', () => {
  it('refuses what is no sealed message as malformed, saying no more than its hash', async () => {
    const [answer] = await send(Uint8Array.of(1, 2, 3));
    expect(answer).toMatchObject({ code: VERDICT.malformed, receivedS: START_S });
    expect(answer).not.toHaveProperty('kid');
  });

  it('does not know a key that nobody enrolled', async () => {
    const stranger = signerOf(seedOf('stranger'));
    const payload = encodeFramePayload(box.payload(at(0)));
    const kid = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const message = sealMessage({
      payload,
      externalData: externalData(world.origin, 'meter-frame/v1'),
      kid,
      signer: stranger,
    });
    const [answer] = await send(message);
    expect(answer).toMatchObject({ code: VERDICT['unknown-key'], kid });
    expect(answer).not.toHaveProperty('next');
  });

  it('refuses a revoked key, but still answers what it had accepted', async () => {
    const first = box.seal(at(0));
    await send(first);
    await world.revoke(box, encodeDeviceRevokedFields);
    expect(codes(await send(box.seal(at(60)), first))).toEqual([VERDICT['inactive-key'], VERDICT.accepted]);
  });

  it('refuses a frame that was sealed for another community, or as another kind of message', async () => {
    const payload = encodeFramePayload(box.payload(at(0)));
    const elsewhere = sealMessage({
      payload,
      externalData: externalData('coop.example/rainy', 'meter-frame/v1'),
      kid: box.kid,
      signer: box.signer,
    });
    expect(codes(await send(elsewhere, box.sealBytes(payload, 'epoch-request/v1')))).toEqual([4, 4]);
  });

  it('refuses a payload that is no frame under a good signature', async () => {
    const [answer] = await send(box.sealBytes(Uint8Array.of(0xa0)));
    expect(answer).toMatchObject({ code: VERDICT['bad-payload'], next: 1, openEpoch: 1 });
    expect(answer).not.toHaveProperty('epoch');
  });
});

describe('the sequence', () => {
  it('refuses another epoch than the open one', async () => {
    expect(codes(await send(box.sealPayload({ ...box.payload(at(0)), epoch: 2 })))).toEqual([VERDICT['wrong-epoch']]);
  });

  it('calls number 1 on another hash than the opening entry a fork', async () => {
    const previous = new Uint8Array(32);
    expect(codes(await send(box.sealPayload({ ...box.payload(at(0)), previous })))).toEqual([VERDICT.fork]);
  });

  it('parks at most 500 and answers beyond without keeping', async () => {
    const frames = Array.from({ length: 502 }, (_, i) => box.seal(at(i)));
    const result = await ledger.ingestFrames(frames.slice(1).map((message) => ({ message, gateway: 'home' })));
    expect(result).toMatchObject({ parked: 500, refused: 1, accepted: 0 });
    expect((await ledger.ingestFrames([{ message: frames[0]!, gateway: 'home' }])).accepted).toBe(501);
  });

  it('keeps parked frames over a restart, each with the second it first came', async () => {
    const [first, second] = [box.seal(at(0)), box.seal(at(60))];
    await send(second!);
    world.clock.setS(START_S + 500);
    ledger = await world.reopened().own();
    const answers = await send(first!);
    expect(answers.map(({ receivedS }) => receivedS)).toEqual([START_S + 500, START_S]);
  });

  it('goes on behind a gap that the box declares, and calls the given-up numbers a replay', async () => {
    const lost = box.seal(at(0));
    const next = box.seal(at(60));
    await send(next);
    const claim = {
      kid: box.kid,
      epoch: 1,
      first: 1,
      last: 1,
      expectedPrevious: await ledger.openingHash(toHex(box.kid)),
      nextPrevious: testCrypto.hasher.sha256(lost),
    };
    const answers = await request(box.sealBytes(encodeGapRequest(claim), 'gap-request/v1'));
    expect(codes(answers)).toEqual([0, 0]);
    expect(answers[0]).toHaveProperty('leafData');
    expect(answers[1]).toMatchObject({ number: 2 });
    expect(codes(await send(lost))).toEqual([VERDICT.replay]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });

  it('closes a gap by itself 48 hours after the oldest parked frame came', async () => {
    box.seal(at(0));
    const second = box.seal(at(60));
    await send(second);
    world.clock.setS(START_S + 48 * 3600 - 1);
    expect((await ledger.settleDue()).answers).toHaveLength(0);
    world.clock.setS(START_S + 48 * 3600);
    expect((await ledger.settleDue()).answers.map(({ bytes }) => open(bytes))).toMatchObject([{ number: 2, code: 0 }]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });
});

describe('a new epoch', () => {
  const ask = (oldEpoch: number) => {
    const { kid } = box;
    const payload = encodeEpochRequest({ kid, oldEpoch, lastNumber: 0, lastHash: new Uint8Array(32), reason: 3 });
    return box.sealBytes(payload, 'epoch-request/v1');
  };

  it('is granted once, proved, and answered the same however often it is asked for', async () => {
    await send(box.seal(at(0)));
    const [granted] = await request(ask(1));
    expect(granted).toMatchObject({ code: 0, epoch: 2, openEpoch: 2, next: 1 });
    expect(await request(ask(1))).toEqual([granted]);
    expect(codes(await request(ask(7)))).toEqual([VERDICT['wrong-epoch']]);
    box.epoch = 2;
    box.number = 1;
    box.previous = await ledger.openingHash(toHex(box.kid));
    expect(codes(await send(box.seal(at(60))))).toEqual([0]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });

  it('is not granted after a fork without the operator', async () => {
    await send(box.sealPayload({ ...box.payload(at(0)), previous: new Uint8Array(32) }));
    expect(codes(await request(ask(1)))).toEqual([VERDICT.fork]);
  });
});

describe('what is wrong inside a good frame is a flag', () => {
  it('for a meter that is not enrolled, another quantity, a status that is not good, and the future', async () => {
    const payload = box.payload(at(0));
    const [channel] = payload.channels;
    const odd = [
      { ...channel!, meterIndex: 3 },
      { ...channel!, quantity: Quantity.generation },
      { ...channel!, status: 3 },
    ];
    for (const one of odd) expect(codes(await send(box.seal(at(0), { channels: [one] })))).toEqual([0]);
    expect(codes(await send(box.seal([{ timeS: START_S + 3600, values: [1, 1] }])))).toEqual([0]);
    expect((await ledger.rows()).get('channel', 'home-m')?.[1]).toMatchObject({ accepted: 0, flagged: 2 });
  });
});

describe('a counter event', () => {
  const KWH = 1_000_000;
  const readings = async (step: number, values: readonly number[]) => {
    world.clock.setS(START_S + step * 900);
    return send(box.seal([{ timeS: START_S + step * 900, values }]));
  };
  const event = (generation: number, meter = 'home-m') =>
    box.sealBytes(
      encodeCounterEvent({
        meter,
        generation,
        cause: CounterCause.reset,
        channels: [
          { quantity: Quantity.gridImport, last: BigInt(100 * KWH), first: 1n },
          { quantity: Quantity.gridExport, last: 6n, first: 6n },
        ],
        fromS: START_S + 900,
      }),
      'counter-event/v1',
    );

  it('opens a generation once, for its own meter, and only what stepped back begins anew', async () => {
    await readings(0, [100 * KWH, 5]);
    await readings(1, [1, 6]);
    await readings(2, [3, 7]);
    expect(codes(await request(event(1)))).toEqual([VERDICT.replay]);
    expect(codes(await request(event(2, 'another')))).toEqual([VERDICT['bad-payload']]);
    const [granted] = await request(event(2));
    expect(granted).toMatchObject({ code: 0 });
    expect(await request(event(2))).toEqual([granted]);
    const rows = await ledger.rows();
    expect(rows.get('meter', 'home-m')).toMatchObject({ generation: 2 });
    expect(rows.get('channel', 'home-m')?.[1]).toMatchObject({
      segments: [{ segment: 0 }, { segment: 1 }],
      baseline: { valueMwh: 3 },
    });
    expect(rows.get('channel', 'home-m')?.[2]).toMatchObject({ segments: [{ segment: 0 }] });
    await readings(3, [4, 8]);
    expect((await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });
});

describe('strangers', () => {
  it('are answered as far as the budget goes, and everybody else always', async () => {
    const good = box.seal(at(0));
    const frames = [Uint8Array.of(1), good, Uint8Array.of(2), Uint8Array.of(3)];
    const result = await ledger.ingestFrames(
      frames.map((message) => ({ message, gateway: 'home' })),
      2,
    );
    expect(result).toMatchObject({ accepted: 1, refused: 3, toStrangers: 2 });
    expect(codes(result.answers.map(({ bytes }) => open(bytes)))).toEqual([1, 0, 1]);
  });
});
