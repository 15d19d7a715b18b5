/** Every list comes in pages that are bounded, and that stay true to each other while the log grows. */
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settlementKey } from '../src/core/rows.js';
import { BEARER, httpService } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const HOMES = ['h1', 'h2', 'h3', 'h4'];
const C = '/v1/communities/sunny';
const FIRST = `${START_S}`;

type Json = Readonly<Record<string, unknown>>;

let street: LedgerStreet;
let app: FastifyInstance;
let edges: number;

beforeEach(async () => {
  street = await LedgerStreet.build({ homes: HOMES });
  app = httpService(street).app;
  edges = 0;
  for (let n = 0; n < 6; n++) await nextEdge();
});

afterEach(() => app.close());

async function nextEdge(): Promise<void> {
  await street.edge(START_S + edges * INTERVAL_S, countersAt(HOMES, edges));
  edges += 1;
}

/** The log grows in every way it can: frames, settlements, members, devices. */
async function grow(): Promise<void> {
  await nextEdge();
  await street.submit(1, street.party(`m-a${edges}`, 1));
}

async function json(url: string): Promise<Json> {
  const { statusCode, body } = await app.inject({ url, headers: BEARER });
  expect(statusCode, `${url}: ${body}`).toBe(200);
  return JSON.parse(body) as Json;
}

async function pagesOf(url: string, list: string, limit: number, between?: () => Promise<void>): Promise<unknown[]> {
  const items: unknown[] = [];
  const sign = url.includes('?') ? '&' : '?';
  for (let after: unknown = ''; after !== undefined; ) {
    const cursor = after === '' ? '' : `&after=${encodeURIComponent(String(after))}`;
    const page = await json(`${url}${sign}limit=${limit}${cursor}`);
    expect((page[list] as unknown[]).length).toBeLessThanOrEqual(limit);
    items.push(...(page[list] as unknown[]));
    after = page.next;
    await between?.();
  }
  return items;
}

/** Where each list is, under which name, and what tells its items apart. */
const LISTS: readonly (readonly [url: string, list: string, id: readonly string[]])[] = [
  ['/v1/communities', 'items', ['id']],
  [`${C}/members`, 'items', ['id']],
  [`${C}/homes`, 'items', ['id']],
  [`${C}/meters`, 'items', ['id']],
  [`${C}/gateways`, 'items', ['kid']],
  [`${C}/rules`, 'items', ['index']],
  [`${C}/balances`, 'items', ['member']],
  [`${C}/intervals`, 'items', ['start']],
  [`${C}/log/entries`, 'items', ['index']],
  [`${C}/settlements/${FIRST}/versions`, 'items', ['version']],
  [`${C}/settlements/${FIRST}`, 'lines', ['member', 'meter']],
  [`${C}/settlements/${FIRST}/versions/1`, 'lines', ['member', 'meter']],
  [`${C}/intervals/${FIRST}`, 'energies', ['meter', 'quantity']],
  [`${C}/members/m-h1/statement?from=2024-06-01T00:00:00Z&to=2024-06-02T00:00:00Z`, 'intervals', ['start']],
];

/** It takes forks to fill it: http-epoch-requests.test.ts pages through it. */
const ELSEWHERE = `${C}/epoch-requests`;

describe.each(LISTS)('%s', (url, list, id) => {
  const idsOf = (items: readonly unknown[]): string[] =>
    items.map((item) => id.map((field) => String((item as Json)[field])).join('/'));

  it('is the same list in pages of any size', async () => {
    const whole = (await json(url))[list] as unknown[];
    expect(whole.length).toBeGreaterThan(0);
    for (const limit of [1, 2, 3, 7, 100]) expect(await pagesOf(url, list, limit)).toEqual(whole);
  });

  it('has each item once, in its order, while the log grows between the pages', async () => {
    const before = idsOf((await json(url))[list] as unknown[]);
    let left = 3;
    const seen = idsOf(await pagesOf(url, list, 2, async () => (left-- > 0 ? grow() : undefined)));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((one) => before.includes(one))).toEqual(before);
  });

  it('refuses a page that is none, and takes any cursor for a place in its order', async () => {
    const sign = url.includes('?') ? '&' : '?';
    for (const limit of ['0', '-1', '1001', '1e2', 'all', '']) {
      expect((await app.inject(`${url}${sign}limit=${limit}`)).statusCode, limit).toBe(400);
    }
    for (const after of ['zzzz', '%00', '~', '999999999999', '%F0%9F%8C%9E', 'a/b/c', '']) {
      expect([200, 400], after).toContain((await app.inject(`${url}${sign}after=${after}`)).statusCode);
    }
    expect((await app.inject(`${url}${sign}after=${'a'.repeat(129)}`)).statusCode).toBe(400);
  });
});

describe('lists', () => {
  it('all stand in the table above or beside it, and say in the OpenAPI document how they are paged', async () => {
    const { paths } = (await app.inject('/openapi.json')).json() as {
      paths: Record<string, { get?: { parameters?: { name: string }[]; responses: Json } }>;
    };
    for (const [path, { get }] of Object.entries(paths)) {
      const schema = JSON.stringify(get?.responses ?? {});
      const urls = [ELSEWHERE, ...LISTS.map(([url]) => url)];
      const isListed = urls.some((url) => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/?]+')}(\\?|$)`).test(url));
      expect(schema.includes('Cursor of the next page'), path).toBe(isListed);
      const names = (get?.parameters ?? []).map(({ name }) => name);
      if (isListed) expect(names, path).toEqual(expect.arrayContaining(['after', 'limit']));
    }
  });

  it('of one moment are asked for by its size of the log', async () => {
    const { known_at, items } = await json(`${C}/balances`);
    const seen = await pagesOf(`${C}/balances?knownAt=${known_at}`, 'items', 2, grow);
    expect(seen).toEqual(items);
  });
});

describe('the entries of the log', () => {
  it('begin where they are told to, by index or behind a page', async () => {
    const { items } = await json(`${C}/log/entries?from=5&limit=4`);
    const { next } = await json(`${C}/log/entries?limit=5`);
    expect((await json(`${C}/log/entries?after=${next}&limit=4`)).items).toEqual(items);
    expect((await json(`${C}/log/entries?after=${next}&from=1&limit=4`)).items).toEqual(items);
  });
});

describe('a statement', () => {
  const url = `${C}/members/m-h1/statement?from=2024-06-01T00:00:00Z&to=2024-06-02T00:00:00Z`;

  it('is summed over the whole period on each of its pages', async () => {
    const { sum, days, next } = await json(url);
    const page = await json(`${url}&limit=2`);
    expect([page.sum, page.days, next]).toEqual([sum, days, undefined]);
    expect((page.intervals as unknown[]).length).toBe(2);
  });

  it('is one table, or pages of one that lead to each other', async () => {
    const whole = (await app.inject(`${url}&format=csv`)).body.trimEnd().split('\n');
    const rows: string[] = [];
    for (let at = `${url}&format=csv&limit=2`; at !== ''; ) {
      const { body, headers } = await app.inject(at);
      const [head, ...page] = body.trimEnd().split('\n');
      expect(head).toBe(whole[0]);
      expect(page.length).toBeLessThanOrEqual(2);
      rows.push(...page);
      at = /^<([^>]+)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1] ?? '';
    }
    expect(rows).toEqual(whole.slice(1));
  });
});

describe('an interval that was settled a thousand times', () => {
  const VERSIONS = 1234;

  beforeEach(async () => {
    const size = await street.store.size('sunny');
    const [row] = await street.store.read('sunny', [{ table: 'settlement', key: settlementKey(START_S, 1) }]);
    const versions = Array.from({ length: VERSIONS - 1 }, (_, i) => i + 2);
    const writes = versions.map((n) => ({ table: 'settlement', key: settlementKey(START_S, n), value: row }) as const);
    await street.store.commit('sunny', { expectedSize: size, newSize: size, writes });
  });

  it('shows its newest version, and the newest hundred beside it', async () => {
    const { version, versions } = await json(`${C}/settlements/${FIRST}`);
    expect(version).toBe(VERSIONS);
    const numbers = (versions as Json[]).map((one) => one.version);
    expect([numbers.length, numbers[0], numbers.at(-1)]).toEqual([100, VERSIONS - 99, VERSIONS]);
    const interval = await json(`${C}/intervals/${FIRST}`);
    expect(interval.versions).toEqual(versions);
  });

  it('has all of them in pages', async () => {
    const all = (await pagesOf(`${C}/settlements/${FIRST}/versions`, 'items', 500)) as Json[];
    expect(all.map(({ version }) => version)).toEqual(Array.from({ length: VERSIONS }, (_, i) => i + 1));
  });

  it("says the newest one's number in a statement", async () => {
    const statement = await json(`${C}/members/m-h1/statement?from=${FIRST}&to=${START_S + INTERVAL_S}`);
    expect((statement.intervals as Json[])[0]).toMatchObject({ version: VERSIONS });
  });
});
