import { fromBase64, fromHex, nobleVerifier, utf8Encode } from '@commonwatt/firmware-protocol';
import { leafHash, openCheckpoint, verifyInclusion } from '@commonwatt/firmware-protocol/log';
import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BEARER, httpService, problemCode, TOKEN } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const HOMES = ['h1', 'h2', 'h3', 'h4'];
const INTERVALS = 6;
const C = '/v1/communities/sunny';

interface Route {
  readonly url: string;
  readonly ok: TSchema;
}

let street: LedgerStreet;
let app: FastifyInstance;
const routes: Route[] = [];

beforeAll(async () => {
  street = await LedgerStreet.build({ homes: HOMES, levyBasisPoints: 500 });
  for (let n = 0; n <= INTERVALS; n++) await street.edge(START_S + n * INTERVAL_S, countersAt(HOMES, n));
  app = httpService(street).app;
  app.addHook('onRoute', ({ method, url, schema }) => {
    const response = schema?.response as { 200?: TSchema } | undefined;
    if (method === 'GET' && response?.[200] !== undefined) routes.push({ url, ok: response[200] });
  });
  await app.ready();
});

afterAll(() => app.close());

async function get(url: string): Promise<{ readonly status: number; readonly body: string }> {
  const headers = url.includes('/epoch-requests') ? BEARER : {};
  const { statusCode, body } = await app.inject({ url, headers });
  return { status: statusCode, body };
}

async function json<Body>(url: string): Promise<Body> {
  const { status, body } = await get(url);
  expect(status, `${url}: ${body}`).toBe(200);
  return JSON.parse(body) as Body;
}

/** One address for every route: a route without one fails the test below. */
const EXAMPLES: Readonly<Record<string, string>> = {
  '/health': '/health',
  '/v1/communities': '/v1/communities',
  '/v1/communities/:community': C,
  '/v1/communities/:community/members': `${C}/members`,
  '/v1/communities/:community/members/:member': `${C}/members/m-h1`,
  '/v1/communities/:community/homes': `${C}/homes?limit=3`,
  '/v1/communities/:community/homes/:home': `${C}/homes/h2`,
  '/v1/communities/:community/meters': `${C}/meters`,
  '/v1/communities/:community/meters/:meter': `${C}/meters/e-h2`,
  '/v1/communities/:community/gateways': `${C}/gateways`,
  '/v1/communities/:community/epoch-requests': `${C}/epoch-requests`,
  '/v1/communities/:community/rules': `${C}/rules`,
  '/v1/communities/:community/balances': `${C}/balances?asOf=2024-06-01T00:30:00Z`,
  '/v1/communities/:community/members/:member/balance': `${C}/members/m-h1/balance?knownAt=25`,
  '/v1/communities/:community/members/:member/statement': `${C}/members/m-h1/statement`,
  '/v1/communities/:community/intervals': `${C}/intervals`,
  '/v1/communities/:community/intervals/:start': `${C}/intervals/${START_S}`,
  '/v1/communities/:community/settlements/:start': `${C}/settlements/${START_S}`,
  '/v1/communities/:community/settlements/:start/versions': `${C}/settlements/${START_S}/versions`,
  '/v1/communities/:community/settlements/:start/versions/:version': `${C}/settlements/${START_S}/versions/1`,
  '/v1/communities/:community/log/checkpoint': `${C}/log/checkpoint`,
  '/v1/communities/:community/log/checkpoints/:size': `${C}/log/checkpoints/11`,
  '/v1/communities/:community/log/entries': `${C}/log/entries?from=5&limit=7`,
  '/v1/communities/:community/log/entries/:index': `${C}/log/entries/0`,
  '/v1/communities/:community/log/entries/:index/proof': `${C}/log/entries/11/proof`,
};

describe('every route', () => {
  it('answers with exactly what its schema says, no field more', async () => {
    expect(routes.map(({ url }) => url).sort()).toEqual(Object.keys(EXAMPLES).sort());
    for (const { url, ok } of routes) {
      const { status, body } = await get(EXAMPLES[url]!);
      expect(status, `${url}: ${body}`).toBe(200);
      const value: unknown = /\/checkpoint(s\/:size)?$/.test(url) ? body : JSON.parse(body);
      expect([...Value.Errors(ok, value)], url).toEqual([]);
      expect(Value.Clean(ok, structuredClone(value)), url).toEqual(value);
    }
  });

  it('stands in the OpenAPI document, with the problem it may answer', async () => {
    const { paths, openapi } = await json<{ openapi: string; paths: Record<string, Record<string, Operation>> }>(
      '/openapi.json',
    );
    expect(openapi).toBe('3.1.0');
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    expect(
      documented
        .filter(({ method }) => method === 'get')
        .map(({ path }) => path.replace(/\{(\w+)\}/g, ':$1'))
        .sort(),
    ).toEqual(Object.keys(EXAMPLES).sort());
    for (const { path, operation } of documented.filter(({ path }) => path.startsWith('/v1'))) {
      expect(operation.responses['4XX']?.content['application/problem+json'], path).toBeDefined();
      expect(operation.summary, path).toBeTruthy();
    }
  });

  it('has a page that shows it', async () => {
    const { status, body } = await get('/docs/');
    expect(status).toBe(200);
    expect(body).toContain('swagger-ui');
  });
});

interface Operation {
  readonly summary?: string;
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, unknown>> }>>;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

describe('lists', () => {
  it.each(['members', 'homes', 'meters', 'gateways', 'balances', 'intervals', 'log/entries'])(
    '%s: pages of two put together are the whole list',
    async (list) => {
      const whole = await json<Page<object>>(`${C}/${list}?limit=200`);
      expect(whole.next).toBeUndefined();
      const pages: object[] = [];
      const cursor = list === 'log/entries' ? 'from' : 'after';
      let next: string | undefined = '';
      while (next !== undefined) {
        const more: string = next === '' ? '' : `&${cursor}=${encodeURIComponent(next)}`;
        const page: Page<object> = await json<Page<object>>(`${C}/${list}?limit=2${more}`);
        expect(page.items.length).toBeLessThanOrEqual(2);
        pages.push(...page.items);
        next = page.next;
      }
      expect(pages).toEqual(whole.items);
      expect(pages.length).toBeGreaterThan(3);
    },
  );

  it('goes on behind a cursor that is no longer there', async () => {
    const { items } = await json<Page<{ id: string }>>(`${C}/members?after=m-h1x`);
    expect(items.map(({ id }) => id)).toEqual(['m-h2', 'm-h3', 'm-h4']);
  });
});

describe('balances', () => {
  it('sum to zero, the commons fund counted in, today and at every moment before', async () => {
    const { size } = await json<{ size: number }>(C);
    for (let knownAt = 0; knownAt <= size; knownAt += 3) {
      const { totals } = await json<{ totals: object }>(`${C}/balances?knownAt=${knownAt}`);
      expect(totals).toEqual({ credits: '0.000000', energy_kwh: '0.000000' });
    }
    const { items } = await json<Page<{ member: string; credits: string }>>(`${C}/balances`);
    expect(items.find(({ member }) => member === 'fund')?.credits).toBe('0.007272');
  });

  it('count an interval that ends at asOf, and none that ends later', async () => {
    const at = async (asOf: number) => {
      const { credits } = await json<{ credits: string }>(`${C}/members/m-h1/balance?asOf=${asOf}`);
      return credits;
    };
    expect(await at(START_S)).toBe('0.000000');
    expect(await at(START_S + INTERVAL_S)).toBe('-0.012000');
    expect(await at(START_S + 2 * INTERVAL_S)).toBe('-0.024000');
    const now = await json<{ credits: string }>(`${C}/members/m-h1/balance`);
    expect(await at(START_S + INTERVALS * INTERVAL_S)).toBe(now.credits);
  });

  it('refuse an asOf off the grid and a knownAt beyond the log', async () => {
    for (const query of [`asOf=${START_S + 1}`, 'knownAt=9999', 'asOf=2024-02-30T00:00:00Z', 'asOf=yesterday']) {
      const { status, body } = await get(`${C}/balances?${query}`);
      expect([status, problemCode(body)], query).toEqual([400, 'bad-request']);
    }
  });

  it('show zero for a member that was never booked on, and refuse one that there is not', async () => {
    await street.submit(1, street.party('m-new', 1));
    const { credits, energy_kwh } = await json<Record<string, string>>(`${C}/members/m-new/balance`);
    expect([credits, energy_kwh]).toEqual(['0.000000', '0.000000']);
    const { status, body } = await get(`${C}/members/m-h1q/balance`);
    expect([status, problemCode(body)]).toEqual([404, 'not-found']);
    expect(body).toContain('did you mean m-h1?');
  });
});

interface Figures {
  readonly received_kwh: string;
  readonly delivered_kwh: string;
  readonly from_grid_kwh: string;
  readonly to_grid_kwh: string;
  readonly generated_kwh: string | null;
  readonly used_at_home_kwh: string | null;
  readonly credits: string;
}

interface StatementBody {
  readonly from: string;
  readonly to: string;
  readonly sum: Figures;
  readonly days: readonly { readonly day: string; readonly sum: Figures }[];
  readonly intervals: readonly (Figures & { readonly start: string; readonly quality: string })[];
}

describe('statement', () => {
  const url = `${C}/members/m-h2/statement`;
  const period = 'from=2024-06-01T00:00:00Z&to=2024-06-01T01:30:00Z';

  it('says per interval and summed what the home made, used, gave and got', async () => {
    const { sum, intervals } = await json<StatementBody>(`${url}?${period}`);
    expect(intervals).toHaveLength(INTERVALS);
    expect(intervals[0]).toMatchObject({
      start: '2024-06-01T00:00:00Z',
      quality: 'measured',
      generated_kwh: '0.151001',
      used_at_home_kwh: '0.050000',
      received_kwh: '0.000000',
      delivered_kwh: '0.100010',
      to_grid_kwh: '0.000991',
      from_grid_kwh: '0.000000',
    });
    expect(sum).toMatchObject({ generated_kwh: '0.906006', used_at_home_kwh: '0.300000', delivered_kwh: '0.600060' });
  });

  it('ends in the balance', async () => {
    for (const member of ['m-h1', 'm-h2', 'm-h3', 'm-h4', 'fund']) {
      const { sum } = await json<StatementBody>(`${C}/members/${member}/statement?${period}`);
      const { credits } = await json<{ credits: string }>(`${C}/members/${member}/balance`);
      expect(sum.credits, member).toBe(credits);
    }
  });

  it('takes days of the community for its bounds, and is of today when nothing is said', async () => {
    const byDay = await json<StatementBody>(`${url}?from=2024-06-01&to=2024-06-02`);
    // Berlin is two hours ahead of UTC in June.
    expect([byDay.from, byDay.to]).toEqual(['2024-05-31T22:00:00Z', '2024-06-01T22:00:00Z']);
    expect(byDay.days.map(({ day }) => day)).toEqual(['2024-06-01']);
    const today = await json<StatementBody>(url);
    expect([today.from, today.to]).toEqual(['2024-05-31T22:00:00Z', '2024-06-01T01:30:00Z']);
    expect(today.intervals).toEqual(byDay.intervals);
  });

  it('is a table on demand, with the same figures', async () => {
    const { intervals } = await json<StatementBody>(`${url}?${period}`);
    const { body } = await get(`${url}?${period}&format=csv`);
    const [head = '', ...lines] = body.trimEnd().split('\n');
    const columns = head.split(',');
    const rows = lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [columns[i], value])));
    const texts = intervals.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value ?? '')])),
    );
    expect(rows).toEqual(texts);
  });

  it('refuses a period that is turned round, too long, or no period', async () => {
    for (const query of [
      'from=2024-06-02T00:00:00Z&to=2024-06-01T00:00:00Z',
      'from=2020-01-01T00:00:00Z&to=2024-01-01T00:00:00Z',
      'from=2024-13-01',
      'from=2024-02-30',
      'from=now',
      'format=xml',
    ]) {
      const { status, body } = await get(`${url}?${query}`);
      expect([status, problemCode(body)], query).toEqual([400, 'bad-request']);
    }
  });
});

describe('settlements', () => {
  it('give lines, totals, the reason and the rules of an interval', async () => {
    const body = await json<{
      lines: { member: string; credits: string }[];
      totals: Record<string, string>;
      reason: string;
      rules_index: number;
      versions: object[];
    }>(`${C}/settlements/2024-06-01T00:00:00Z`);
    expect(body).toMatchObject({ reason: 'complete', rules_index: 2, final: true, version: 1 });
    expect(body.lines.map(({ member }) => member)).toEqual(['m-h1', 'm-h2', 'm-h3', 'm-h4']);
    expect(body.totals).toMatchObject({ shared_kwh: '0.202002', paid: '0.024240', levy: '0.001212' });
    expect(body.versions).toHaveLength(1);
  });

  it('are found by ISO instant and by seconds, and say what is wrong with any other', async () => {
    const byIso = await json(`${C}/settlements/2024-06-01T00:15:00Z/versions/1`);
    expect(await json(`${C}/settlements/${START_S + INTERVAL_S}/versions/1`)).toEqual(byIso);
    expect((await get(`${C}/settlements/2024-06-01T00:16:00Z`)).status).toBe(400);
    expect((await get(`${C}/settlements/2024-06-02T00:00:00Z`)).status).toBe(404);
    expect((await get(`${C}/settlements/${START_S}/versions/2`)).status).toBe(404);
    expect((await get(`${C}/settlements/${START_S}/versions/0`)).status).toBe(400);
  });
});

describe('log', () => {
  it('proves an entry to whoever has nothing but the key of the log', async () => {
    const proof = await json<{ size: number; path: string[]; root: string; checkpoint: string }>(
      `${C}/log/entries/11/proof`,
    );
    const { leaf } = await json<{ leaf: string }>(`${C}/log/entries/11`);
    const { root, size } = openCheckpoint({
      note: utf8Encode(proof.checkpoint),
      origin: street.origin,
      logKey: street.logKey,
      hasher: street.hasher,
      verifier: nobleVerifier,
    });
    const hash = leafHash(street.hasher, fromBase64(leaf));
    verifyInclusion(street.hasher, { index: 11, size, leafHash: hash, path: proof.path.map((h) => fromHex(h)), root });
  });

  it('proves against an older size that was signed, and names the next one for a size that was not', async () => {
    const { size } = await json<{ size: number }>(`${C}/log/entries/3/proof?size=11`);
    expect(size).toBe(11);
    const { status, body } = await get(`${C}/log/entries/3/proof?size=13`);
    expect([status, problemCode(body)]).toEqual([404, 'not-found']);
    expect(body).toMatch(/the next that was is \d+/);
    expect((await get(`${C}/log/entries/11/proof?size=11`)).status).toBe(400);
  });

  it('gives the checkpoint as the very note', async () => {
    const { body } = await get(`${C}/log/checkpoint`);
    expect(utf8Encode(body)).toEqual(await (await street.ledgerOf()).checkpoint());
  });
});

describe('entries', () => {
  const post = (payload: object, headers: Record<string, string> = BEARER) =>
    app.inject({ method: 'POST', url: `${C}/entries`, headers, payload });
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

  it('take what the operator signed, and tell its index', async () => {
    const { size, next_number } = await json<{ size: number; next_number: number }>(C);
    const cose = base64(street.signedParty('m-posted', next_number));
    const answer = await post({ entries: [{ kind: 1, cose }] });
    expect([answer.statusCode, answer.json()]).toEqual([201, { indices: [size] }]);
    expect((await get(`${C}/members/m-posted`)).status).toBe(200);
    const again = await post({ entries: [{ kind: 1, cose }] });
    expect([again.statusCode, problemCode(again.body)]).toEqual([409, 'bad-number']);
    street.nextNumber();
  });

  it('refuse another signature, other bytes, and an entry in the name of another kind', async () => {
    const { next_number } = await json<{ next_number: number }>(C);
    const good = street.signedParty('m-bent', next_number);
    const bent = Uint8Array.from(good);
    bent[bent.length - 1]! ^= 1;
    const cases = [
      [{ kind: 1, cose: base64(bent) }, 403, 'bad-signer'],
      [{ kind: 1, cose: base64(good.subarray(1)) }, 422, 'bad-entry'],
      [{ kind: 8, cose: base64(good) }, 422, 'bad-entry'],
      [{ kind: 1, cose: '!!!!' }, 400, 'bad-request'],
    ] as const;
    for (const [entry, status, code] of cases) {
      const { statusCode, body } = await post({ entries: [entry] });
      expect([statusCode, problemCode(body)], JSON.stringify(entry)).toEqual([status, code]);
    }
  });

  it('write all of a request or nothing of it', async () => {
    const before = await json<{ size: number; next_number: number }>(C);
    const good = base64(street.signedParty('m-half', before.next_number));
    const { statusCode } = await post({
      entries: [
        { kind: 1, cose: good },
        { kind: 1, cose: good },
      ],
    });
    expect(statusCode).toBe(409);
    expect(await json(C)).toEqual(before);
  });

  it('never go in without the token, on loopback neither', async () => {
    const cose = base64(street.signedParty('m-x', 99));
    const headers = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: TOKEN },
      { authorization: `Basic ${TOKEN}` },
    ];
    for (const header of headers) {
      const { statusCode, body } = await post({ entries: [{ kind: 1, cose }] }, header as Record<string, string>);
      expect([statusCode, problemCode(body)]).toEqual([401, 'unauthorised']);
    }
  });
});

describe('health', () => {
  it('is well, with the size of each log and the age of the newest frame', async () => {
    const body = await json<{ status: string; communities: object[] }>('/health');
    expect(body.status).toBe('healthy');
    expect(body.communities).toEqual([
      { id: 'sunny', size: expect.any(Number), newest_frame_age_s: 0, held_intervals: 0 },
    ]);
  });

  it('is not well, and says why, when a part that it needs is not', async () => {
    const { app: other } = httpService(street, { probes: [() => undefined, () => 'no broker at 127.0.0.1:1883'] });
    const { statusCode, body } = await other.inject('/health');
    expect(statusCode).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ status: 'unhealthy', reasons: ['no broker at 127.0.0.1:1883'] });
    await other.close();
  });

  it('is degraded, with 200 and the reason, while intervals fit no account', async () => {
    const held = { heldIntervals: () => new Map([['sunny', 2]]) };
    const { app: other } = httpService(street, held);
    const { statusCode, body } = await other.inject('/health');
    expect(statusCode).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ status: 'degraded', communities: [{ id: 'sunny', held_intervals: 2 }] });
    expect(JSON.parse(body).reasons).toEqual([expect.stringMatching(/^community sunny: 2 intervals are not booked/)]);
    await other.close();
    const { app: broken } = httpService(street, { ...held, probes: [() => 'no broker'] });
    expect((await broken.inject('/health')).json()).toMatchObject({ status: 'unhealthy', reasons: ['no broker'] });
    await broken.close();
  });

  it('tells strangers the kind of a failure, and the operator all of it', async () => {
    const store = { ...street.store, communities: () => Promise.reject(new Error('disk at /home/op/secret.db')) };
    const { app: other, faults } = httpService(street, { store: store as never });
    const { statusCode, body } = await other.inject('/health');
    expect(statusCode).toBe(503);
    expect(body).not.toContain('secret');
    expect(String(faults[0])).toContain('secret');
    await other.close();
  });
});
