/** Who may ask what, over real sockets: what counts is where a connection comes from, never what it says of itself. */
import { request as httpRequest } from 'node:http';
import { networkInterfaces } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isLoopback } from '../src/adapters/http/access.js';
import { createHttpApp } from '../src/adapters/http/app.js';
import { BEARER, httpService, listen, problemCode } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const HOMES = ['h1', 'h2', 'h3', 'h4'];
const C = '/v1/communities/sunny';

const MEMBER_DATA = [
  `${C}/members`,
  `${C}/members/m-h1`,
  `${C}/homes`,
  `${C}/homes/h1`,
  `${C}/meters`,
  `${C}/meters/e-h1`,
  `${C}/gateways`,
  `${C}/balances`,
  `${C}/members/m-h1/balance`,
  `${C}/members/m-h1/statement`,
  `${C}/intervals`,
  `${C}/intervals/${START_S}`,
];
const PUBLIC = [
  '/',
  '/health',
  '/docs/',
  '/openapi.json',
  '/v1/communities',
  C,
  `${C}/rules`,
  `${C}/settlements/${START_S}`,
  `${C}/log/checkpoint`,
  `${C}/log/entries`,
  `${C}/log/entries/0/proof`,
];

let street: LedgerStreet;
const open: FastifyInstance[] = [];

beforeAll(async () => {
  street = await LedgerStreet.build({ homes: HOMES, kAnonymity: 2 });
  for (let n = 0; n <= 2; n++) await street.edge(START_S + n * INTERVAL_S, countersAt(HOMES, n));
});

afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

async function serve(bind: string, hosts: readonly string[] = []): Promise<number> {
  const { app } = httpService(street, { bind, hosts });
  open.push(app);
  return listen(app, bind);
}

interface Asked {
  readonly status: number;
  readonly body: string;
}

function ask(at: { host: string; port: number }, path: string, headers: Record<string, string> = {}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ ...at, path, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    outgoing.on('error', reject).end();
  });
}

/** An address of this machine that is not loopback, as a neighbour would use it. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

describe('bound to loopback', () => {
  it('answers every read without a token', async () => {
    const at = { host: '127.0.0.1', port: await serve('127.0.0.1') };
    for (const path of [...PUBLIC, ...MEMBER_DATA]) expect((await ask(at, path)).status, path).toBe(200);
  });

  it('shows the lines of a settlement', async () => {
    const at = { host: '127.0.0.1', port: await serve('127.0.0.1') };
    expect(JSON.parse((await ask(at, `${C}/settlements/${START_S}`)).body)).toHaveProperty('lines');
  });

  it('refuses a wrong token rather than forget it', async () => {
    const at = { host: '127.0.0.1', port: await serve('127.0.0.1') };
    const { status, body } = await ask(at, C, { authorization: 'Bearer wrong' });
    expect([status, problemCode(body)]).toEqual([401, 'unauthorised']);
  });

  it('refuses names that a web page could have pointed here', async () => {
    const port = await serve('127.0.0.1');
    const at = { host: '127.0.0.1', port };
    const good = [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`];
    for (const host of good) expect((await ask(at, '/health', { host })).status, host).toBe(200);
    const bad = [
      'evil.example',
      `evil.example:${port}`,
      'localhost',
      `localhost:${port + 1}`,
      `127.0.0.1.evil:${port}`,
    ];
    for (const host of bad) {
      const { status, body } = await ask(at, C, { host });
      expect([status, problemCode(body)], host).toEqual([400, 'bad-request']);
    }
  });

  it('takes no word of a header for where a request comes from', async () => {
    const at = { host: '127.0.0.1', port: await serve('127.0.0.1') };
    const headers = {
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-host': 'evil.example',
      forwarded: 'for=203.0.113.7',
    };
    expect((await ask(at, `${C}/members`, headers)).status).toBe(200);
  });

  it("answers under a proxy's name, but then as to anybody", async () => {
    const at = { host: '127.0.0.1', port: await serve('127.0.0.1', ['ledger.example']) };
    const host = { host: 'ledger.example' };
    expect((await ask(at, C, host)).status).toBe(200);
    expect((await ask(at, `${C}/members`, host)).status).toBe(401);
    expect((await ask(at, `${C}/members`, { ...host, ...BEARER })).status).toBe(200);
  });
});

describe('bound to all addresses', () => {
  it('wants the token for every read of members, from this machine too', async () => {
    const at = { host: '127.0.0.1', port: await serve('0.0.0.0') };
    for (const path of MEMBER_DATA) {
      const { status, body } = await ask(at, path);
      expect([status, problemCode(body)], path).toEqual([401, 'unauthorised']);
      expect((await ask(at, path, BEARER)).status, path).toBe(200);
    }
    for (const path of PUBLIC) expect((await ask(at, path)).status, path).toBe(200);
  });

  it.skipIf(outside === undefined)('is not talked into trust by headers of a neighbour', async () => {
    const at = { host: outside!, port: await serve('0.0.0.0') };
    const lies = [
      { 'x-forwarded-for': '127.0.0.1' },
      { 'x-real-ip': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { host: `localhost:${at.port}` },
    ];
    for (const headers of lies) expect((await ask(at, `${C}/balances`, headers)).status).toBe(401);
    expect((await ask(at, `${C}/balances`, BEARER)).status).toBe(200);
  });

  it('shows a settlement to all without lines, with totals only where enough stand behind them', async () => {
    const at = { host: '127.0.0.1', port: await serve('0.0.0.0') };
    const open = JSON.parse((await ask(at, `${C}/settlements/${START_S}`)).body);
    expect(open).toHaveProperty('totals');
    expect(open).not.toHaveProperty('lines');
    const shy = await LedgerStreet.build({ homes: HOMES, kAnonymity: 3 });
    for (let n = 0; n <= 1; n++) await shy.edge(START_S + n * INTERVAL_S, countersAt(HOMES, n));
    const { app } = httpService(shy, { bind: '0.0.0.0' });
    const closed = (await app.inject(`${C}/settlements/${START_S}`)).json();
    expect(closed).not.toHaveProperty('totals');
    expect((await app.inject({ url: `${C}/settlements/${START_S}`, headers: BEARER })).json()).toHaveProperty('totals');
    await app.close();
  });
});

describe('the token', () => {
  it('has to be there at all', () => {
    const { entries, store, clock, hasher } = street;
    const build = () => createHttpApp({ entries, store, clock, hasher, token: '', bind: '127.0.0.1', version: '0' });
    expect(build).toThrow(expect.objectContaining({ code: 'config' }));
  });

  it('is told from everything that is nearly it', async () => {
    const { app } = httpService(street, { bind: '0.0.0.0' });
    const good = BEARER.authorization;
    const near = [good.slice(0, -1), `${good}x`, good.toUpperCase(), `${good} `.repeat(2), 'Bearer', 'Bearer ', ''];
    for (const authorization of near) {
      const { statusCode } = await app.inject({ url: `${C}/members`, headers: { authorization } });
      expect(statusCode, authorization).toBe(401);
    }
    expect((await app.inject({ url: `${C}/members`, headers: BEARER })).headers['www-authenticate']).toBeUndefined();
    await app.close();
  });
});

describe('loopback', () => {
  it('is 127.0.0.0/8 and ::1, however they are written', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'localhost']) {
      expect(isLoopback(address), address).toBe(true);
    }
    for (const address of ['0.0.0.0', '::', '10.0.0.1', '::ffff:10.0.0.1', '128.0.0.1', '127.0.0.1.evil', '']) {
      expect(isLoopback(address), address).toBe(false);
    }
  });
});
