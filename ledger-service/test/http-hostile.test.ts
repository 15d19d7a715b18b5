/** Nothing that a stranger sends makes the service answer for itself (5xx), hang, or speak anything but problems. */
import { connect } from 'node:net';
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BEARER, httpService, listen, problemCode } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const C = '/v1/communities/sunny';
const PROBLEM = /^application\/problem\+json/;

let app: FastifyInstance;
let faults: unknown[];
let port: number;

beforeAll(async () => {
  const homes = ['h1', 'h2'];
  const street = await LedgerStreet.build({ homes });
  for (let n = 0; n <= 2; n++) await street.edge(START_S + n * INTERVAL_S, countersAt(homes, n));
  ({ app, faults } = httpService(street));
  port = await listen(app);
});

afterAll(() => app.close());

const paths = [
  '',
  '/members',
  '/members/X',
  '/members/X/balance',
  '/members/X/statement',
  '/homes/X',
  '/meters/X',
  '/gateways',
  '/rules',
  '/balances',
  '/intervals',
  '/intervals/X',
  '/settlements/X',
  '/settlements/X/versions/X',
  '/log/checkpoint',
  '/log/entries',
  '/log/entries/X',
  '/log/entries/X/proof',
  '/X/X',
];
const names = ['after', 'limit', 'asOf', 'knownAt', 'from', 'to', 'format', 'size', '__proto__', 'constructor'];

const junk = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.integer().map(String),
  fc.double().map(String),
  fc.constantFrom('sunny', 'm-h1', 'h1', 'e-h1', '0', '-1', '1e9', '999999999999', '9007199254740993', String(START_S)),
  fc.constantFrom('2024-06-01T00:00:00Z', '2024-06-01', '9999-12-31T23:59:59Z', '0000-01-01', '..', '%00', '\u0000'),
);

/** A value that URLs can carry: an empty one between slashes would be another route. */
const inPath = junk.map((text) => encodeURIComponent(text) || '-');

describe('addresses', () => {
  it('of any kind get an answer of the kind 2xx or 4xx, and a problem where not well', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.array(inPath, { minLength: 2, maxLength: 2 }),
        fc.array(fc.tuple(fc.oneof(fc.constantFrom(...names), junk), junk), { maxLength: 3 }),
        async (path, values, query) => {
          let at = 0;
          const filled = path.replace(/X/g, () => values[at++]!);
          const search = query
            .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
            .join('&');
          const { statusCode, headers, body } = await app.inject(`${C}${filled}?${search}`);
          expect(statusCode, body).toBeLessThan(500);
          if (statusCode >= 400) expect(headers['content-type']).toMatch(PROBLEM);
        },
      ),
      { numRuns: 1500 },
    );
    expect(faults).toEqual([]);
  }, 60_000);

  it.each(['/v1/%zz', '/v1/communities/%ff%fe', '/%00', '/..%2f..%2fetc', '/docs/static/..%2f..%2f..%2fpackage.json'])(
    'that no router can read are refused: %s',
    async (url) => {
      const { statusCode, headers } = await app.inject(url);
      expect([400, 404]).toContain(statusCode);
      expect(headers['content-type']).toMatch(PROBLEM);
    },
  );

  it('longer than any id are refused by their length', async () => {
    const { statusCode, headers } = await app.inject(`/v1/communities/${'a'.repeat(5000)}`);
    expect(statusCode).toBe(414);
    expect(headers['content-type']).toMatch(PROBLEM);
  });
});

describe('query parameters', () => {
  it.each([
    [`${C}/balances?asof=1717200900`, 'asOf'],
    [`${C}/balances?knowAt=3`, 'knownAt'],
    [`${C}/members?limt=3`, 'limit'],
    [`${C}/members/m-h1/statement?form=2024-06-01`, 'from'],
    [`${C}/log/entries?form=3`, 'from'],
    [`${C}/log/entries/1/proof?sise=12`, 'size'],
  ])('that are not known are refused with the nearest right name: %s', async (url, nearest) => {
    const { statusCode, body } = await app.inject(url);
    expect(statusCode).toBe(400);
    expect(JSON.parse(body).detail).toContain(`did you mean "${nearest}"?`);
  });

  it('twice, on a route without any, or out of range are refused', async () => {
    const urls = [
      '/members?limit=1&limit=2',
      '?x=1',
      '/members?limit=0',
      '/members?limit=1001',
      '/log/entries?limit=257',
    ];
    for (const url of urls) expect((await app.inject(`${C}${url}`)).statusCode, url).toBe(400);
  });

  it('that should be whole numbers are not taken in any other notation', async () => {
    for (const text of ['1e2', '0x10', '1.0', ' 5', '+5', '٣', '']) {
      const { statusCode } = await app.inject(`${C}/members?limit=${encodeURIComponent(text)}`);
      expect(statusCode, text).toBe(400);
    }
  });
});

describe('methods', () => {
  it('that a route lacks are refused with those it has; OPTIONS tells them; HEAD is GET without a body', async () => {
    for (const method of ['DELETE', 'PUT', 'PATCH', 'POST'] as const) {
      const { statusCode, headers, body } = await app.inject({ method, url: `${C}/members`, headers: BEARER });
      expect([statusCode, headers.allow, problemCode(body)], method).toEqual([
        405,
        'GET, HEAD, OPTIONS',
        'bad-request',
      ]);
    }
    const options = await app.inject({ method: 'OPTIONS', url: `${C}/entries` });
    expect([options.statusCode, options.headers.allow]).toEqual([204, 'POST, OPTIONS']);
    const get = await app.inject(`${C}/members`);
    const head = await app.inject({ method: 'HEAD', url: `${C}/members` });
    expect([head.statusCode, head.body]).toEqual([200, '']);
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });

  it('of other protocols find no route', async () => {
    for (const method of ['PROPFIND', 'TRACE', 'SEARCH'] as const) {
      const { statusCode, headers } = await app.inject({ method: method as 'GET', url: '/nothing' });
      expect(statusCode, method).toBe(404);
      expect(headers['content-type']).toMatch(PROBLEM);
    }
  });
});

describe('bodies', () => {
  const post = (payload: string, contentType = 'application/json') =>
    app.inject({ method: 'POST', url: `${C}/entries`, headers: { ...BEARER, 'content-type': contentType }, payload });

  it('of any JSON get an answer of the kind 4xx', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const { statusCode, headers } = await post(JSON.stringify(value));
        expect(statusCode).toBeGreaterThanOrEqual(400);
        expect(statusCode).toBeLessThan(500);
        expect(headers['content-type']).toMatch(PROBLEM);
      }),
      { numRuns: 300 },
    );
  });

  it('of any bytes for an entry get an answer of the kind 4xx', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 3, 8),
        fc.uint8Array({ minLength: 3, maxLength: 300 }),
        async (kind, bytes) => {
          const entries = [{ kind, cose: Buffer.from(bytes).toString('base64') }];
          const { statusCode } = await post(JSON.stringify({ entries }));
          expect([400, 403, 409, 422]).toContain(statusCode);
        },
      ),
      { numRuns: 300 },
    );
    expect(faults).toEqual([]);
  });

  it.each([
    ['{', 400],
    ['', 400],
    ['{"__proto__":{"x":1},"entries":[]}', 400],
    ['{"constructor":{"prototype":{}},"entries":[]}', 400],
    ['[]', 400],
  ])('that are no request are refused: %s', async (payload, status) => {
    expect((await post(payload)).statusCode).toBe(status);
  });

  it('of another type, or too large, are refused before they are read', async () => {
    expect((await post('<entries/>', 'application/xml')).statusCode).toBe(415);
    expect((await post('entries=1', 'application/x-www-form-urlencoded')).statusCode).toBe(415);
    expect((await post('x', 'text/plain')).statusCode).toBe(415);
    const large = await post(JSON.stringify({ entries: 'x'.repeat(7 * 1024 * 1024) }));
    expect([large.statusCode, problemCode(large.body)]).toEqual([413, 'bad-request']);
  });

  it('with a field too many are refused with the nearest right name', async () => {
    expect(JSON.parse((await post('{"entrees":[]}')).body).detail).toContain('did you mean "entries"?');
    const inner = await post('{"entries":[{"kind":1,"cose":"AAAA","kid":1}]}');
    expect(JSON.parse(inner.body).detail).toContain('did you mean "kind"?');
  });
});

describe('what is not HTTP', () => {
  it.each([
    ['nonsense', 'hello there\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
    ['a tunnel', 'CONNECT elsewhere:443 HTTP/1.1\r\nhost: localhost\r\n\r\n', 405],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001', 400],
  ])('%s gets a problem, and the connection is closed', async (_name, bytes, status) => {
    const answer = await talk(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect((await app.inject('/health')).statusCode).toBe(200);
  });
});

describe('a connection that was refused', () => {
  it.each(['hello there\r\n\r\n', 'CONNECT elsewhere:443 HTTP/1.1\r\nhost: localhost\r\n\r\n'])(
    'is closed also when the other side keeps it open and goes on sending: %j',
    async (bytes) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => undefined);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.write(bytes);
      const timer = setInterval(() => socket.write('more'), 20);
      socket.resume();
      await closed;
      clearInterval(timer);
    },
    5_000,
  );
});

/** Sends bytes on a bare socket; resolves with all that comes until the other side closes. */
function talk(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer in 10 s')));
    socket.on('data', (part) => parts.push(part));
    socket.on('close', () => resolve(Buffer.concat(parts).toString()));
    socket.on('error', reject);
  });
}

describe('headers of every answer', () => {
  it.each(['/health', `${C}/members`, '/nothing', '/docs/', `${C}/entries`])(
    'keep browsers in bounds: %s',
    async (url) => {
      const { headers } = await app.inject(url);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['x-frame-options']).toBe('DENY');
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['access-control-allow-origin']).toBeUndefined();
    },
  );
});
