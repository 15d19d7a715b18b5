/** After a fork: the box asks, the operator agrees, and both signatures stand in the log. */
import {
  type Answer,
  encodeEpochRequest,
  encodeGapRequest,
  parseAnswerMessage,
  parseSignedAnswer,
  toHex,
  VERDICT,
  verifyGrant,
} from '@commonwatt/firmware-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import {
  encodeDeviceRevokedFields,
  encodeEpochApprovalFields,
  parseEvidenceContent,
  parseLeaf,
  parseSignedBody,
} from '../src/core/records/index.js';
import { indexKey, openingKey } from '../src/core/rows.js';
import type { CommunityLedger } from '../src/usecases/community-ledger.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, testCrypto } from './support/community-world.js';

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

const at = (step: number) => [{ timeS: START_S + step, values: [step, step] }];

function open(bytes: Uint8Array): Answer {
  const opened = parseAnswerMessage(bytes);
  if (opened.kind !== 'signed') return opened.answer;
  const { origin, answer } = world;
  return parseSignedAnswer({ bytes, origin, answerKey: answer.publicKey, verifier: testCrypto.verifier });
}

async function send(...messages: readonly Uint8Array[]): Promise<readonly number[]> {
  const { answers } = await ledger.ingestFrames(messages.map((message) => ({ message, gateway: 'home' })));
  return answers.map(({ bytes }) => open(bytes).code);
}

async function request(message: Uint8Array): Promise<readonly Answer[]> {
  return (await ledger.handleEvent({ message, gateway: 'home' })).map(({ bytes }) => open(bytes));
}

function ask(oldEpoch = 1, reason = 3): Uint8Array {
  const payload = encodeEpochRequest({ kid: box.kid, oldEpoch, lastNumber: 0, lastHash: new Uint8Array(32), reason });
  return box.sealBytes(payload, 'epoch-request/v1');
}

async function fork(): Promise<void> {
  expect(await send(box.sealPayload({ ...box.payload(at(0)), previous: new Uint8Array(32) }))).toEqual([VERDICT.fork]);
}

async function approval(message: Uint8Array): Promise<{ kind: 4; cose: Uint8Array }> {
  const number = await ledger.nextNumber(toHex(world.operator.publicKey));
  const requestHash = testCrypto.hasher.sha256(message);
  return { kind: 4, cose: world.signEntry(encodeEpochApprovalFields({ number, requestHash })) };
}

async function expectRebuilt(): Promise<void> {
  const { tables, equal } = await rebuild({ store, community: 'sunny', crypto: testCrypto });
  expect(tables.filter((table) => !table.equal)).toEqual([]);
  expect(equal).toBe(true);
}

describe('a fork', () => {
  it('leaves one piece of evidence an epoch, with the refused frame in it', async () => {
    await send(box.seal(at(0)));
    const size = await store.size('sunny');
    const other = box.sealPayload({ ...box.payload(at(60)), number: 1, previous: new Uint8Array(32) });
    expect(await send(other, box.seal(at(60)), other)).toEqual([VERDICT.fork, VERDICT.fork, VERDICT.fork]);
    expect(await store.size('sunny')).toBe(size + 1);
    const [opening] = await store.read('sunny', [{ table: 'opening', key: openingKey(size) }]);
    expect(parseEvidenceContent((opening as Uint8Array).subarray(16))).toMatchObject({ epoch: 1, message: other });
    await expectRebuilt();
  });

  it('drops the frames that waited, which are answered as a fork from then on', async () => {
    const [, second] = [box.seal(at(0)), box.seal(at(60))];
    expect(await send(second)).toEqual([VERDICT.gap]);
    const again = box.sealPayload({ ...box.payload(at(90)), number: 2 });
    expect(await send(again, second)).toEqual([VERDICT.fork, VERDICT.fork]);
    expect(await store.scan('sunny', 'parked', { limit: 10 })).toEqual([]);
    await expectRebuilt();
  });

  it('that a parked frame turns out to be is found when its turn comes', async () => {
    const first = box.seal(at(0));
    const stray = box.sealPayload({ ...box.payload(at(60)), number: 2, previous: new Uint8Array(32) });
    const third = box.sealPayload({ ...box.payload(at(120)), number: 3, previous: testCrypto.hasher.sha256(stray) });
    expect(await send(stray, third)).toEqual([VERDICT.gap, VERDICT.gap]);
    expect(await send(first)).toEqual([VERDICT.accepted, VERDICT.fork]);
    expect(await store.scan('sunny', 'parked', { limit: 10 })).toEqual([]);
    await expectRebuilt();
  });
});

describe('a new epoch after a fork', () => {
  it('waits for the operator, who finds the newest request, also after a restart', async () => {
    await fork();
    const [older, newer] = [ask(1, 1), ask(1, 2)];
    for (const message of [older, newer])
      expect((await request(message)).map(({ code }) => code)).toEqual([VERDICT.fork]);
    ledger = await world.reopened().own();
    expect(await ledger.pendingEpochRequests()).toEqual([{ kid: toHex(box.kid), home: 'home', request: newer }]);
    expect(await store.scan('sunny', 'parked', { limit: 10 })).toHaveLength(1);
  });

  it('is granted when the operator has signed, and the box learns it when it asks again', async () => {
    await fork();
    const message = ask();
    await request(message);
    const { indices } = await ledger.submit([await approval(message)]);
    expect(await ledger.pendingEpochRequests()).toEqual([]);
    const [granted] = await request(message);
    expect(granted).toMatchObject({ code: 0, epoch: 2, openEpoch: 2, next: 1, index: indices[0] });
    const { hasher, verifier } = testCrypto;
    const { origin, log } = world;
    expect(() =>
      verifyGrant({ answer: granted!, message, origin, logKey: log.publicKey, hasher, verifier }),
    ).not.toThrow();
    box.epoch = 2;
    box.number = 1;
    box.previous = await ledger.openingHash(toHex(box.kid));
    expect(await send(box.seal(at(0)), box.seal(at(60)))).toEqual([0, 0]);
    const [leaf] = await store.read('sunny', [{ table: 'leaf', key: indexKey(indices[0]!) }]);
    expect(parseSignedBody(4, parseLeaf(leaf as Uint8Array).body!)).toMatchObject({ message });
    await expectRebuilt();
    expect(await ledger.nextNumber(toHex(world.operator.publicKey))).toBe(7);
  });

  it('can be asked for with the request beside it, that no gateway has brought yet', async () => {
    await fork();
    const message = ask();
    const entry = await approval(message);
    await expect(ledger.submit([entry])).rejects.toMatchObject({ code: 'not-found' });
    await ledger.submit([{ ...entry, request: message }]);
    expect((await request(message))[0]).toMatchObject({ code: 0, epoch: 2 });
    await expectRebuilt();
  });

  it('is not opened for another request, epoch or key, nor without a fork, nor twice', async () => {
    const early = ask();
    await expect(ledger.submit([{ ...(await approval(early)), request: early }])).rejects.toThrow(/has not forked/);
    await fork();
    const message = ask();
    const wrong = [
      [{ ...(await approval(ask(1, 1))), request: message }, 'bad-entry'],
      [{ ...(await approval(ask(2))), request: ask(2) }, 'conflict'],
      [{ ...(await approval(Uint8Array.of(1))), request: Uint8Array.of(1) }, 'bad-entry'],
    ] as const;
    for (const [entry, code] of wrong) await expect(ledger.submit([entry])).rejects.toMatchObject({ code });
    const asFrame = box.sealBytes(encodeEpochRequest({ ...blank(), kid: box.kid }), 'meter-frame/v1');
    await expect(ledger.submit([{ ...(await approval(asFrame)), request: asFrame }])).rejects.toMatchObject({
      code: 'bad-signer',
    });
    const good = { ...(await approval(message)), request: message };
    await ledger.submit([good]);
    await expect(ledger.submit([good])).rejects.toMatchObject({ code: 'bad-number' });
    await expect(ledger.submit([{ ...(await approval(message)), request: message }])).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('waits no more for a gateway that is revoked', async () => {
    await fork();
    await request(ask());
    await world.revoke(box, encodeDeviceRevokedFields);
    expect(await ledger.pendingEpochRequests()).toEqual([]);
    await expect(ledger.submit([{ ...(await approval(ask())), request: ask() }])).rejects.toThrow(/is revoked/);
  });
});

const blank = () => ({ oldEpoch: 1, lastNumber: 0, lastHash: new Uint8Array(32), reason: 3 });

describe('a sequence with many gaps', () => {
  it('tells a replay from a fork however long ago the numbers were given up', async () => {
    const lost: Uint8Array[] = [];
    let previous = box.previous;
    for (let i = 0; i < 300; i++) {
      const first = box.number;
      lost.push(box.seal(at(2 * i)));
      const claim = {
        kid: box.kid,
        epoch: 1,
        first,
        last: first,
        expectedPrevious: previous,
        nextPrevious: box.previous,
      };
      expect((await request(box.sealBytes(encodeGapRequest(claim), 'gap-request/v1')))[0]).toMatchObject({ code: 0 });
      expect(await send(box.seal(at(2 * i + 1)))).toEqual([0]);
      previous = box.previous;
    }
    expect(await send(lost[0]!, lost[299]!)).toEqual([VERDICT.replay, VERDICT.replay]);
    const row = await store.read('sunny', [{ table: 'sequence', key: toHex(box.kid) }]);
    expect((row[0] as string).length).toBeLessThan(10_000);
    const forged = box.sealPayload({ ...box.payload(at(0)), number: 2 });
    expect(await send(forged)).toEqual([VERDICT.fork]);
    await expectRebuilt();
  });

  it('ends at the last number there is, and is answered to the end', async () => {
    const last = Number.MAX_SAFE_INTEGER - 1;
    const [expectedPrevious, nextPrevious] = [box.previous, new Uint8Array(32)];
    const claim = { kid: box.kid, epoch: 1, first: 1, last, expectedPrevious, nextPrevious };
    expect((await request(box.sealBytes(encodeGapRequest(claim), 'gap-request/v1')))[0]).toMatchObject({ code: 0 });
    const message = box.sealPayload({ ...box.payload(at(0)), number: last + 1, previous: nextPrevious });
    expect(await send(message, message)).toEqual([0, 0]);
    expect((await request(ask()))[0]).toMatchObject({ code: 0, epoch: 2 });
    await expectRebuilt();
  });

  it('is closed gap by gap when all have waited for 48 hours', async () => {
    const sent = Array.from({ length: 6 }, (_, i) => box.seal(at(i)));
    await send(sent[1]!, sent[3]!, sent[5]!);
    world.clock.setS(START_S + 48 * 3600);
    const { answers } = await ledger.settleDue();
    expect(answers.map(({ bytes }) => open(bytes).number)).toEqual([2, 4, 6]);
    await expectRebuilt();
  });

  it('answers a frame that waits with the second in which it first came', async () => {
    const [, second] = [box.seal(at(0)), box.seal(at(60))];
    await send(second);
    world.clock.setS(START_S + 30);
    const { answers } = await ledger.ingestFrames([{ message: second, gateway: 'home' }]);
    expect(open(answers[0]!.bytes)).toMatchObject({ code: VERDICT.gap, receivedS: START_S, next: 1 });
  });
});
