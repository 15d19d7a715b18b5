/** What gateways that have forked ask for, as the operator sees it and signs it over HTTP. */
import { encodeEpochRequest, fromBase64, toHex } from '@commonwatt/firmware-protocol';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpApp } from '../src/adapters/http/app.js';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { encodeEpochApprovalFields } from '../src/core/records/index.js';
import type { CommunityLedger } from '../src/usecases/community-ledger.js';
import { SubmitOnce } from '../src/usecases/submit-once.js';
import { type Box, CommunityWorld, testCrypto } from './support/community-world.js';
import { BEARER, problemCode, TOKEN } from './support/http-service.js';

const START_S = 1_760_000_400;
const C = '/v1/communities/sunny';
const HOMES = ['alder', 'birch', 'cedar'];

let world: CommunityWorld;
let ledger: CommunityLedger;
let app: FastifyInstance;
let boxes: Box[];

beforeEach(async () => {
  const store = new MemoryStore();
  world = await CommunityWorld.create({ store, startS: START_S });
  boxes = [];
  for (const home of HOMES) boxes.push(await world.addHome(home));
  const { clock, log, answer } = world;
  const entries = new SubmitOnce({ store, clock, crypto: testCrypto, keysOf: () => ({ log, answer }) }, clock);
  ledger = await entries.ledger.community('sunny');
  const { hasher } = testCrypto;
  app = createHttpApp({ entries, store, clock, hasher, token: TOKEN, bind: '127.0.0.1', version: '0' });
});

afterEach(() => app.close());

/** Two frames under one number, then the request for a new epoch; gives the request. */
async function fork(box: Box): Promise<Uint8Array> {
  const at = (timeS: number) => [{ timeS, values: [timeS, timeS] }];
  await ledger.ingestFrames([{ message: box.seal(at(START_S)), gateway: box.home }]);
  const other = box.sealPayload({ ...box.payload(at(START_S + 60)), number: 1, previous: new Uint8Array(32) });
  await ledger.ingestFrames([{ message: other, gateway: box.home }]);
  const { kid } = box;
  const payload = encodeEpochRequest({ kid, oldEpoch: 1, lastNumber: 1, lastHash: box.previous, reason: 1 });
  const message = box.sealBytes(payload, 'epoch-request/v1');
  await ledger.handleEvent({ message, gateway: box.home });
  return message;
}

interface Page {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly next?: string;
}

async function waiting(query = ''): Promise<Page> {
  const { statusCode, body } = await app.inject({ url: `${C}/epoch-requests${query}`, headers: BEARER });
  expect(statusCode, body).toBe(200);
  return JSON.parse(body) as Page;
}

async function approve(requestHash: Uint8Array, key?: string) {
  const number = await ledger.nextNumber(toHex(world.operator.publicKey));
  const cose = world.signEntry(encodeEpochApprovalFields({ number, requestHash }));
  return { cose, answer: await post(cose, key) };
}

function post(cose: Uint8Array, key?: string) {
  const headers = { ...BEARER, ...(key !== undefined && { 'idempotency-key': key }) };
  const entries = [{ kind: 4, cose: Buffer.from(cose).toString('base64') }];
  return app.inject({ method: 'POST', url: `${C}/entries`, headers, payload: { entries } });
}

describe('the list of what waits', () => {
  it('is empty while nothing has forked', async () => {
    expect(await waiting()).toEqual({ items: [] });
  });

  it('says who asks, why, and what there is to sign', async () => {
    const request = await fork(boxes[1]!);
    const { items } = await waiting();
    expect(items).toEqual([
      {
        kid: toHex(boxes[1]!.kid),
        home: 'birch',
        member: 'birch',
        epoch: 1,
        next_number: 2,
        last_received: new Date(START_S * 1000).toISOString().replace('.000Z', 'Z'),
        last_number: 1,
        reason: 'refused-frame',
        request: Buffer.from(request).toString('base64'),
        request_hash: toHex(testCrypto.hasher.sha256(request)),
      },
    ]);
  });

  it('comes in pages', async () => {
    for (const box of boxes) await fork(box);
    const { items } = await waiting();
    expect(items.map(({ home }) => home).sort()).toEqual(HOMES);
    const first = await waiting('?limit=2');
    const second = await waiting(`?limit=2&after=${first.next}`);
    expect([...first.items, ...second.items]).toEqual(items);
    expect(second.next).toBeUndefined();
    for (const after of ['zzzz', '%00', '~', '/', '%F0%9F%8C%9E', 'a/b/c', '']) {
      const { statusCode } = await app.inject({ url: `${C}/epoch-requests?after=${after}`, headers: BEARER });
      expect([200, 400], after).toContain(statusCode);
    }
  });

  it('is for the operator alone, on loopback too', async () => {
    const { statusCode, body } = await app.inject({ url: `${C}/epoch-requests` });
    expect([statusCode, problemCode(body)]).toEqual([401, 'unauthorised']);
  });
});

describe('a signed approval', () => {
  it('opens the epoch, and then nothing waits', async () => {
    const request = await fork(boxes[0]!);
    await fork(boxes[2]!);
    const asked = (await waiting()).items.find(({ home }) => home === 'alder')!;
    const { answer } = await approve(testCrypto.hasher.sha256(fromBase64(String(asked.request))));
    expect(answer.statusCode, answer.body).toBe(201);
    expect((await waiting()).items.map(({ home }) => home)).toEqual(['cedar']);
    const answers = await ledger.handleEvent({ message: request, gateway: 'alder' });
    expect(answers).toHaveLength(1);
    const { items } = (await app.inject({ url: `${C}/gateways`, headers: BEARER })).json() as Page;
    const alder = items.find(({ home }) => home === 'alder')!;
    expect(alder).toMatchObject({ epoch: 2, next_number: 1, forked: false });
    const hash = await ledger.openingHash(toHex(boxes[0]!.kid));
    expect(alder.opening_hash).toBe(toHex(hash));
    Object.assign(boxes[0]!, { epoch: 2, number: 1, previous: hash });
    const message = boxes[0]!.seal([{ timeS: START_S + 120, values: [9, 9] }]);
    expect(await ledger.ingestFrames([{ message, gateway: 'alder' }])).toMatchObject({ accepted: 1 });
  });

  it('sent twice under one key enters once', async () => {
    await fork(boxes[0]!);
    const [asked] = (await waiting()).items;
    const { cose, answer } = await approve(Buffer.from(String(asked!.request_hash), 'hex'), 'approve-alder');
    const again = await post(cose, 'approve-alder');
    expect([again.statusCode, again.body]).toEqual([201, answer.body]);
    expect(again.headers['idempotency-replayed']).toBe('true');
  });

  it('of a request that waits no more is refused, and so is what is no signed entry', async () => {
    const request = await fork(boxes[0]!);
    const hash = testCrypto.hasher.sha256(request);
    await approve(hash);
    const { answer } = await approve(hash);
    expect([answer.statusCode, problemCode(answer.body)]).toEqual([404, 'not-found']);
    const garbage = await post(Uint8Array.of(1, 2, 3), 'a-key');
    expect([garbage.statusCode, problemCode(garbage.body)]).toEqual([422, 'bad-entry']);
  });
});
