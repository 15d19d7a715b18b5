/** Tags, If-None-Match and what caches may keep: of every GET of ledger data. */
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ForwardingStore } from '../src/usecases/forwarding-store.js';
import { BEARER, httpService } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const HOMES = ['h1', 'h2', 'h3', 'h4'];
const C = '/v1/communities/sunny';
const STRONG = /^"[\x21\x23-\x7e]+"$/;
const LASTING = 'public, max-age=31536000, immutable';
const ASK_AGAIN = 'public, no-cache';
const PERSONAL = 'private, no-store';

/** What may be kept of each, for an asker off this machine with the token and without it. */
interface Kept {
  readonly url: string;
  readonly withToken: string;
  /** Absent: closed. */
  readonly without?: string;
}

const kept = (url: string, withToken: string, without?: string): Kept => ({
  ...{ url, withToken },
  ...(without && { without }),
});

const ROUTES: readonly Kept[] = [
  kept('/openapi.json', ASK_AGAIN, ASK_AGAIN),
  kept('/v1/communities', ASK_AGAIN, ASK_AGAIN),
  kept(C, ASK_AGAIN, ASK_AGAIN),
  kept(`${C}/rules`, ASK_AGAIN, ASK_AGAIN),
  kept(`${C}/members`, PERSONAL),
  kept(`${C}/members/m-h1`, PERSONAL),
  kept(`${C}/members/m-h1/balance`, PERSONAL),
  kept(`${C}/members/m-h1/balance?knownAt=20`, PERSONAL),
  kept(`${C}/members/m-h1/statement`, PERSONAL),
  kept(`${C}/members/m-h1/statement?format=csv`, PERSONAL),
  kept(`${C}/homes`, PERSONAL),
  kept(`${C}/homes/h1`, PERSONAL),
  kept(`${C}/meters`, PERSONAL),
  kept(`${C}/meters/e-h1`, PERSONAL),
  kept(`${C}/gateways`, PERSONAL),
  kept(`${C}/epoch-requests`, PERSONAL),
  kept(`${C}/balances`, PERSONAL),
  kept(`${C}/intervals`, PERSONAL),
  kept(`${C}/intervals/${START_S}`, PERSONAL),
  kept(`${C}/settlements/${START_S}`, PERSONAL, ASK_AGAIN),
  kept(`${C}/settlements/${START_S}/versions`, ASK_AGAIN, ASK_AGAIN),
  kept(`${C}/settlements/${START_S}/versions/1`, PERSONAL, LASTING),
  kept(`${C}/log/checkpoint`, ASK_AGAIN, ASK_AGAIN),
  kept(`${C}/log/checkpoints/11`, LASTING, LASTING),
  kept(`${C}/log/entries`, ASK_AGAIN, ASK_AGAIN),
  kept(`${C}/log/entries/3`, LASTING, LASTING),
  kept(`${C}/log/entries/3/proof`, ASK_AGAIN, ASK_AGAIN),
  kept(`${C}/log/entries/3/proof?size=11`, LASTING, LASTING),
];

/** Of a service off loopback: what is asked without the token is asked by anybody. */
let app: FastifyInstance;
let street: LedgerStreet;
let edges = 0;
const declared: string[] = [];

const nextEdge = () => street.edge(START_S + edges * INTERVAL_S, countersAt(HOMES, edges++));

beforeAll(async () => {
  street = await LedgerStreet.build({ homes: HOMES });
  for (let n = 0; n <= 3; n++) await nextEdge();
  app = httpService(street, { bind: '0.0.0.0' }).app;
  app.addHook('onRoute', ({ method, url }) => {
    if (method === 'GET' && url.startsWith('/v1')) declared.push(url);
  });
  await app.ready();
});

afterAll(() => app.close());

function get(url: string, headers: Record<string, string> = BEARER, method: 'GET' | 'HEAD' = 'GET') {
  return app.inject({ method, url, headers });
}

describe.each(ROUTES)('$url', ({ url, withToken, without }) => {
  it('has a strong tag, and 304 for who has it already', async () => {
    const first = await get(url);
    expect([first.statusCode, first.headers['cache-control']]).toEqual([200, withToken]);
    const tag = String(first.headers.etag);
    expect(tag).toMatch(STRONG);
    for (const asked of [tag, `W/${tag}`, `"other", ${tag}`, `"other",W/${tag} , "third"`, '*']) {
      const { statusCode, body, headers } = await get(url, { ...BEARER, 'if-none-match': asked });
      expect([statusCode, body], asked).toEqual([304, '']);
      expect(headers).toMatchObject({ etag: tag, 'cache-control': withToken });
      expect(headers).not.toHaveProperty('content-type');
      expect(headers).not.toHaveProperty('content-length');
    }
    for (const asked of ['"other"', tag.slice(1, -1), `${tag.slice(0, -1)}x"`, '', 'W/', '""']) {
      const { statusCode, body } = await get(url, { ...BEARER, 'if-none-match': asked });
      expect([statusCode, body], asked).toEqual([200, first.body]);
    }
  });

  it('says with HEAD what it says with GET', async () => {
    const first = await get(url);
    const head = await get(url, BEARER, 'HEAD');
    for (const name of ['etag', 'cache-control', 'content-length', 'content-type', 'vary']) {
      expect(head.headers[name], name).toBe(first.headers[name]);
    }
    const asked = { ...BEARER, 'if-none-match': String(first.headers.etag) };
    const { statusCode, body } = await get(url, asked, 'HEAD');
    expect([statusCode, body]).toEqual([304, '']);
  });

  it(without === undefined ? 'is closed without the token, tag or no tag' : 'is open to anybody', async () => {
    const { headers } = await get(url);
    const { statusCode, headers: open } = await get(url, {});
    if (without !== undefined) {
      expect([statusCode, open['cache-control']]).toEqual([200, without]);
      return;
    }
    expect([statusCode, open['cache-control'], open.etag]).toEqual([401, 'no-store', undefined]);
    expect((await get(url, { 'if-none-match': String(headers.etag) })).statusCode).toBe(401);
  });
});

describe('a tag', () => {
  it('is had by every route that there is', () => {
    const patterns = declared.map((url) => new RegExp(`^${url.replace(/:\w+/g, '[^/?]+')}(\\?|$)`));
    for (const pattern of patterns)
      expect(
        ROUTES.some(({ url }) => pattern.test(url)),
        String(pattern),
      ).toBe(true);
  });

  it('changes when the answer does, and not when only the log has grown', async () => {
    const balances = await get(`${C}/balances`);
    const member = await get(`${C}/members/m-h1`);
    const known = await get(`${C}/balances?knownAt=20`);
    await nextEdge();
    const later = (url: string, { headers }: typeof balances) =>
      get(url, { ...BEARER, 'if-none-match': String(headers.etag) });
    const grown = await later(`${C}/balances`, balances);
    expect(grown.statusCode).toBe(200);
    expect(grown.headers.etag).not.toBe(balances.headers.etag);
    expect((await later(`${C}/members/m-h1`, member)).statusCode).toBe(304);
    expect((await later(`${C}/balances?knownAt=20`, known)).statusCode).toBe(304);
  });

  it('of one asker, or of one address, is not that of another', async () => {
    const url = `${C}/settlements/${START_S}`;
    const all = await get(url);
    const open = await get(url, {});
    expect(all.headers.etag).not.toBe(open.headers.etag);
    expect([all.headers.vary, open.headers.vary]).toEqual(['authorization', 'authorization']);
    const crossed = await get(url, { 'if-none-match': String(all.headers.etag) });
    expect([crossed.statusCode, crossed.body]).toEqual([200, open.body]);
    const other = await get(`${C}/homes`, { ...BEARER, 'if-none-match': String(all.headers.etag) });
    expect(other.statusCode).toBe(200);
  });

  it('is recognised without making the answer again, as long as the log stands', async () => {
    const counting = new CountingStore(street.store);
    const { app: other } = httpService(street, { store: counting });
    const url = `${C}/members/m-h1/statement`;
    const first = await other.inject(url);
    const reads = counting.reads;
    const asked = { 'if-none-match': String(first.headers.etag) };
    expect((await other.inject({ url, headers: asked })).statusCode).toBe(304);
    expect(counting.reads).toBe(reads);
    await nextEdge();
    expect((await other.inject({ url, headers: asked })).statusCode).toBe(200);
    expect(counting.reads).toBeGreaterThan(reads);
    await other.close();
  });

  it('is right also where the log grows while the answer is made', async () => {
    const growing = new CountingStore(street.store);
    const { app: other } = httpService(street, { store: growing });
    growing.onRead = nextEdge;
    const first = await other.inject(`${C}/balances`);
    const second = await other.inject({
      url: `${C}/balances`,
      headers: { 'if-none-match': String(first.headers.etag) },
    });
    expect(second.statusCode === 304 ? first.body : second.body).toBe((await other.inject(`${C}/balances`)).body);
    await other.close();
  });

  it('stands on no refusal, and no refusal is kept', async () => {
    for (const url of [`${C}/log/entries/99999`, `${C}/members/nobody`, `${C}/log/checkpoints/12`, '/v1/nothing']) {
      const { statusCode, headers } = await get(url, { ...BEARER, 'if-none-match': '*' });
      expect([statusCode, headers.etag, headers['cache-control']], url).toEqual([404, undefined, 'no-store']);
    }
  });

  it('stands neither on the health nor on a write', async () => {
    for (const url of ['/health']) {
      const { headers } = await get(url);
      expect([headers.etag, headers['cache-control']]).toEqual([undefined, 'no-store']);
    }
    const { headers } = await app.inject({ method: 'POST', url: `${C}/entries`, headers: BEARER, payload: {} });
    expect([headers.etag, headers['cache-control']]).toEqual([undefined, 'no-store']);
  });

  it('is looked for in any header that a stranger may send', async () => {
    const hostile = ['"'.repeat(9000), 'W/'.repeat(4000), '"\u00ff"', ',,,', '"a" "b"', '*, *', 'a'.repeat(9000)];
    for (const asked of hostile) {
      const { statusCode } = await get(`${C}/rules`, { 'if-none-match': asked });
      expect(statusCode, asked.slice(0, 20)).toBe(200);
    }
  });
});

describe('on loopback', () => {
  it("answers that show members' data to whoever asks from this machine are kept nowhere", async () => {
    const { app: local } = httpService(street);
    const { headers } = await local.inject(`${C}/settlements/${START_S}/versions/1`);
    expect(headers['cache-control']).toBe(PERSONAL);
    await local.close();
  });
});

class CountingStore extends ForwardingStore {
  reads = 0;
  onRead: (() => Promise<void>) | undefined;

  override async read(...args: Parameters<ForwardingStore['read']>) {
    await this.#count();
    return super.read(...args);
  }

  override async scan(...args: Parameters<ForwardingStore['scan']>) {
    await this.#count();
    return super.scan(...args);
  }

  async #count(): Promise<void> {
    this.reads += 1;
    const grow = this.onRead;
    this.onRead = undefined;
    await grow?.();
  }
}
