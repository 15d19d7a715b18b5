import { ProtocolError } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { problemFromError } from '../src/adapters/http/problems.js';
import { LEDGER_ERROR_CODES, LedgerError } from '../src/core/errors.js';
import type { LedgerStore } from '../src/usecases/ports.js';
import { httpService, problemCode } from './support/http-service.js';
import { LedgerStreet } from './support/ledger-street.js';

describe('a problem', () => {
  it.each(LEDGER_ERROR_CODES)('of every code has a status, a title and its place in the documentation: %s', (code) => {
    const { problem, isFault } = problemFromError(new LedgerError(code, 'what happened'));
    expect(problem.code).toBe(code);
    expect(problem.type).toBe(`/docs/ERRORS.md#ledger-service-${code}`);
    expect(problem.title.length).toBeGreaterThan(10);
    expect(problem.status).toBeGreaterThanOrEqual(400);
    expect(isFault).toBe(problem.status >= 500);
  });

  it('of our own fault says nothing of the machine; of the caller it says all', () => {
    const path = 'cannot write /home/op/ledger.db';
    expect(JSON.stringify(problemFromError(new LedgerError('store', path)).problem)).not.toContain('/home');
    expect(JSON.stringify(problemFromError(new Error(path)).problem)).not.toContain('/home');
    expect(JSON.stringify(problemFromError(new ProtocolError('bad-cbor', path)).problem)).not.toContain('/home');
    expect(problemFromError(new LedgerError('bad-request', 'limit: 0')).problem.detail).toBe('limit: 0');
  });

  it('of a framework has its status where it is the caller’s, and is our fault otherwise', () => {
    const withStatus = (statusCode: number) => Object.assign(new Error('no'), { statusCode });
    expect(problemFromError(withStatus(415)).problem).toMatchObject({ status: 415, code: 'bad-request' });
    for (const odd of [withStatus(500), withStatus(302), withStatus(99), 'text', null, undefined, 7]) {
      expect(problemFromError(odd)).toMatchObject({ problem: { status: 500, code: 'invariant' }, isFault: true });
    }
  });
});

/** The street's store, to be bent in one place. */
function bound(store: LedgerStore): LedgerStore {
  return {
    communities: () => store.communities(),
    size: (community) => store.size(community),
    read: (community, addresses) => store.read(community, addresses),
    scan: (community, table, range) => store.scan(community, table, range),
    commit: (community, batch) => store.commit(community, batch),
    dropProjections: (community) => store.dropProjections(community),
    dumpHash: (community, table) => store.dumpHash(community, table),
    close: () => store.close(),
  };
}

describe('a store that fails', () => {
  it('is a 503 for whoever asked, and is told to the operator with its cause', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const cause = new LedgerError('store', 'disk full: /var/lib/ledger.db');
    const store = { ...bound(street.store), read: () => Promise.reject(cause) };
    const { app, faults } = httpService(street, { store });
    const { statusCode, body } = await app.inject('/v1/communities/sunny');
    expect([statusCode, problemCode(body)]).toEqual([503, 'store']);
    expect(body).not.toContain('/var/lib');
    expect(faults).toEqual([cause]);
    await app.close();
  });

  it('damaged in a row is a 500 that names no row', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const size = await street.store.size('sunny');
    const writes = [{ table: 'party', key: 'm-odd', value: '{' }] as const;
    await street.store.commit('sunny', { expectedSize: size, newSize: size, writes });
    const { app, faults } = httpService(street);
    const { statusCode, body } = await app.inject('/v1/communities/sunny/members');
    expect([statusCode, problemCode(body), faults.length]).toEqual([500, 'invariant', 1]);
    await app.close();
  });
});

describe('a ledger that is busy', () => {
  it('answers conflict, and the caller may ask again', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const submit = () => Promise.reject(new LedgerError('conflict', 'other writers came first'));
    const { app } = httpService(street, { entries: { submit } });
    const entries = [{ kind: 1, cose: 'AAAA' }];
    const headers = { authorization: 'Bearer a-token-of-the-operator' };
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/communities/sunny/entries',
      headers,
      payload: { entries },
    });
    expect([answer.statusCode, problemCode(answer.body)]).toEqual([409, 'conflict']);
    await app.close();
  });
});
