/** POST of entries under an Idempotency-Key, over HTTP. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BEARER, httpService, problemCode } from './support/http-service.js';
import { LedgerStreet } from './support/ledger-street.js';

const URL = '/v1/communities/sunny/entries';

let street: LedgerStreet;
let app: FastifyInstance;

beforeEach(async () => {
  street = await LedgerStreet.build({ homes: [] });
  app = httpService(street).app;
});

afterEach(() => app.close());

function post(payload: object | string, key?: string, headers: Record<string, string> = BEARER) {
  const keyed = key === undefined ? {} : { 'idempotency-key': key };
  const type = { 'content-type': 'application/json' };
  return app.inject({ method: 'POST', url: URL, headers: { ...headers, ...keyed, ...type }, payload });
}

function party(member: string): { entries: object[] } {
  const cose = Buffer.from(street.signedParty(member, street.nextNumber())).toString('base64');
  return { entries: [{ kind: 1, cose }] };
}

describe('an Idempotency-Key', () => {
  it('answers the same request with the same answer, and says that it is one', async () => {
    const body = party('m-1');
    const first = await post(body, '"8e03978e-40d5-43e8-bc93-6894a57f9324"');
    const size = await street.store.size('sunny');
    const again = await post(body, '"8e03978e-40d5-43e8-bc93-6894a57f9324"');
    expect([again.statusCode, again.body]).toEqual([201, first.body]);
    expect([first.headers['idempotency-replayed'], again.headers['idempotency-replayed']]).toEqual([undefined, 'true']);
    expect(await street.store.size('sunny')).toBe(size);
  });

  it('is the same with its quotes and without, and the body is the same however it is written', async () => {
    const body = party('m-1');
    await post(body, '"key-1"');
    const [entry] = body.entries as { kind: number; cose: string }[];
    const rewritten = `{ "entries" : [ { "cose":"${entry!.cose}", "kind": 1 } ] }`;
    const again = await post(rewritten, 'key-1');
    expect([again.statusCode, again.headers['idempotency-replayed']]).toEqual([201, 'true']);
  });

  it('of other entries is refused with 409 and conflict', async () => {
    await post(party('m-1'), 'key-1');
    const size = await street.store.size('sunny');
    const other = await post(party('m-2'), 'key-1');
    expect([other.statusCode, problemCode(other.body)]).toEqual([409, 'conflict']);
    expect(other.json().detail).toContain('take a new key');
    expect(await street.store.size('sunny')).toBe(size);
  });

  it('makes one write of many requests that come at once', async () => {
    const body = party('m-1');
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(body, 'key-1')));
    expect(new Set(answers.map(({ statusCode, body: text }) => `${statusCode} ${text}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
  });

  it.each(['', '""', '"', '"a', 'a b', 'a,b', `"${'a'.repeat(129)}"`, '"a", "b"', '"é"', '"a\\"b"', ';', "'a'"])(
    'that is none is refused: %s',
    async (key) => {
      const answer = await post(party('m-1'), key);
      expect([answer.statusCode, problemCode(answer.body)]).toEqual([400, 'bad-request']);
    },
  );

  it('lets nobody in, and tells nobody without the token what it stands for', async () => {
    const body = party('m-1');
    await post(body, 'key-1');
    for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
      const answer = await post(body, 'key-1', headers as Record<string, string>);
      expect([answer.statusCode, problemCode(answer.body)]).toEqual([401, 'unauthorised']);
    }
  });

  it('does not change what is said of a broken request', async () => {
    for (const [body, status] of [
      ['{', 400],
      ['{"entries":[]}', 400],
      ['{"entries":[{"kind":1,"cose":"AAAA"}]}', 422],
    ] as const) {
      expect((await post(body, 'key-1')).statusCode).toBe(status);
    }
    expect((await post(party('m-1'), 'key-1')).statusCode).toBe(201);
  });

  it('stands in the OpenAPI document', async () => {
    const { paths } = (await app.inject('/openapi.json')).json();
    const { parameters } = paths['/v1/communities/{community}/entries'].post;
    expect(parameters).toContainEqual(expect.objectContaining({ in: 'header', name: 'idempotency-key' }));
  });
});
