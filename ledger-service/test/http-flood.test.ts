/** 10,000 hostile requests: no answer for ourselves (5xx), no silence, no growth. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settledHeapBytes } from './support/heap.js';
import { hostileHttp } from './support/hostile-http.js';
import { httpService, listen, TOKEN } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const WARM_UP = 600;
const REQUESTS = 10_000;
/** Far below what a leak of a request object or of an answer would come to. */
const MAX_GROWTH_BYTES = 3 * 1024 * 1024;

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

describe(`hostile requests (seed ${seed})`, () => {
  let street: LedgerStreet;
  let service: ReturnType<typeof httpService>;
  let port: number;

  beforeAll(async () => {
    const homes = ['h1', 'h2'];
    street = await LedgerStreet.build({ homes });
    for (let n = 0; n <= 3; n++) await street.edge(START_S + n * INTERVAL_S, countersAt(homes, n));
    service = httpService(street);
    port = await listen(service.app);
  });

  afterAll(() => service.app.close());

  it('are all answered, none by a fault, and leave nothing behind', async () => {
    const { community } = street;
    const size = await street.store.size(community);
    const target = { port, community, token: TOKEN };
    const first = await hostileHttp({ ...target, requests: WARM_UP, seed });
    expect(first.failures).toEqual([]);
    const before = await settledHeapBytes();
    const report = await hostileHttp({ ...target, requests: REQUESTS, seed: seed + 1 });
    expect(report).toMatchObject({ requests: REQUESTS, failures: [] });
    expect(Object.keys(report.answers)).toEqual(
      expect.arrayContaining(['200', '400', '401', '404', '405', '422', '431']),
    );
    expect((await settledHeapBytes()) - before).toBeLessThan(MAX_GROWTH_BYTES);
    expect(service.faults).toEqual([]);
    expect(await street.store.size(community)).toBe(size);
    expect(await street.store.scan(community, 'idempotency', { limit: 1 })).toEqual([]);
    expect((await service.app.inject('/health')).statusCode).toBe(200);
  }, 120_000);
});
