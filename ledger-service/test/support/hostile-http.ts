/**
 * Strangers at the HTTP port: any number of hostile requests from a seed, each over a bare socket, so that nothing on our side
 * puts them right. Knows nothing of the service but its address; for tests and for a soak.
 */
import { connect } from 'node:net';

export interface HostileHttpOptions {
  readonly host?: string;
  readonly port: number;
  readonly community: string;
  readonly requests: number;
  /** The same seed gives the same requests. */
  readonly seed: number;
  /** With it some of them come as from the operator, and get further in. */
  readonly token?: string;
}

export interface HostileHttpReport {
  readonly requests: number;
  /** How often each status was answered; `cut` where we hung up before the answer. */
  readonly answers: Readonly<Record<string, number>>;
  /** Requests with an answer of 500 and above, or with none; at most ten of them. Empty when all went well. */
  readonly failures: readonly string[];
}

const AT_ONCE = 16;
const ANSWER_WITHIN_MS = 15_000;
const MAX_FAILURES = 10;

/** Sends them all; resolves with what came back. */
export async function hostileHttp(options: HostileHttpOptions): Promise<HostileHttpReport> {
  const random = seeded(options.seed);
  const answers: Record<string, number> = {};
  const failures: string[] = [];
  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent < options.requests) {
      sent += 1;
      const hostile = draw(random, options);
      const status = await send(options, hostile);
      answers[status] = (answers[status] ?? 0) + 1;
      const isFailure = status === 'none' || Number(status) >= 500;
      if (isFailure && failures.length < MAX_FAILURES) {
        failures.push(`${status}: ${hostile.bytes.subarray(0, 300).toString('latin1')}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { requests: sent, answers, failures };
}

interface Hostile {
  readonly bytes: Buffer;
  /** Hang up when this is sent, answer or none. */
  readonly isCut: boolean;
}

type Random = () => number;

/** mulberry32 */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const below = (random: Random, n: number): number => Math.floor(random() * n);
const oneOf = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)] as T;

/** Resolves with the status of the last answer on the connection, `none`, or `cut`. */
function send({ host = '127.0.0.1', port }: HostileHttpOptions, { bytes, isCut }: Hostile): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(port, host, () => {
      if (isCut) socket.write(bytes, () => socket.destroy());
      else socket.end(bytes);
    });
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy());
    socket.on('data', (part) => {
      heard += part.toString('latin1', 0, 2000);
    });
    // Being hung up on in the middle of sending is one of the answers that a service may give.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const statuses = [...heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
      const worst = statuses.sort().at(-1);
      resolve(isCut ? 'cut' : (worst ?? (bytes.length > 60_000 ? 'cut' : 'none')));
    });
  });
}

function draw(random: Random, options: HostileHttpOptions): Hostile {
  const kind = oneOf(random, KINDS);
  const bytes = kind(random, options);
  const isCut = random() < 0.1;
  return { bytes: isCut ? bytes.subarray(0, below(random, bytes.length + 1)) : bytes, isCut };
}

type Kind = (random: Random, options: HostileHttpOptions) => Buffer;

const PATHS = [
  '',
  '/members',
  '/members/X',
  '/members/X/balance',
  '/members/X/statement',
  '/homes',
  '/homes/X',
  '/meters/X',
  '/gateways',
  '/rules',
  '/balances',
  '/intervals',
  '/intervals/X',
  '/settlements/X',
  '/settlements/X/versions',
  '/settlements/X/versions/X',
  '/log/checkpoint',
  '/log/checkpoints/X',
  '/log/entries',
  '/log/entries/X',
  '/log/entries/X/proof',
  '/entries',
  '/X',
] as const;
const NAMES = ['after', 'limit', 'asOf', 'knownAt', 'from', 'to', 'format', 'size', '__proto__', 'constructor', 'X'];
const VALUES = [
  '0',
  '1',
  '-1',
  '1e9',
  '11',
  '999999999999',
  '9007199254740993',
  '1717200000',
  'NaN',
  'null',
  'true',
  '2024-06-01T00:00:00Z',
  '2024-06-01',
  '9999-12-31T23:59:59Z',
  '..',
  '%2e%2e%2f',
  '%00',
  '%ff%fe',
  '%zz',
  '%F0%9F%8C%9E',
  "'%20OR%201=1--",
  '%3Cscript%3E',
  '{{7*7}}',
  '$%7Bjndi:ldap:x%7D',
  'csv',
  'json',
  'h1',
  'm-h1',
  'toString',
] as const;
const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'CONNECT',
  'FOO',
  'get',
];
const HEADERS = [
  'authorization: Bearer',
  'authorization: Bearer wrong',
  'authorization: Basic b3A6b3A=',
  'if-none-match: *',
  'if-none-match: W/"x", "',
  'idempotency-key: "a", "b"',
  'idempotency-key: \u0001',
  'x-request-id: a\tb',
  'x-request-id: 00000000-0000-0000-0000-000000000000',
  'x-forwarded-for: 127.0.0.1',
  'transfer-encoding: chunked',
  'content-length: 5',
  'content-length: -1',
  'content-length: 99999999999999999999',
  'content-type: application/json',
  'content-type: text/plain',
  'content-type: multipart/form-data; boundary=x',
  'expect: 100-continue',
  'upgrade: websocket',
  'connection: upgrade',
  'accept: \u00ff\u00fe',
  'accept-encoding: gzip, br;q=99',
  'range: bytes=0-1,1-0',
  'host: evil.example',
  'cookie: a=b; a=b',
  ' folded: header',
  'no colon',
  ': empty name',
] as const;
const BODIES = [
  '{',
  '[]',
  'null',
  '{"entries":[]}',
  '{"entries":[{"kind":1,"cose":"AAAA"}]}',
  '{"entries":[{"kind":8,"cose":"0oRDoQEnoEA="}]}',
  '{"entries":[{"kind":1e99,"cose":1}]}',
  '{"__proto__":{"x":1},"entries":[]}',
  '{"entries":[{"kind":1,"cose":"AAAA","constructor":{"prototype":{}}}]}',
  '\u0000\u0001\u0002',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `{"entries":[${'{"kind":1,"cose":"AAAA"},'.repeat(70)}{"kind":1,"cose":"AAAA"}]}`,
] as const;

function junk(random: Random): string {
  if (random() < 0.8) return oneOf(random, VALUES);
  const length = below(random, 200);
  return Array.from({ length }, () => String.fromCharCode(33 + below(random, 94))).join('');
}

function address(random: Random, community: string): string {
  const place = random() < 0.9 ? community : junk(random);
  const path = oneOf(random, PATHS).replaceAll('X', () => junk(random).replaceAll('?', '') || '-');
  const query = Array.from({ length: below(random, 4) }, () => `${oneOf(random, NAMES)}=${junk(random)}`).join('&');
  const start = random() < 0.05 ? oneOf(random, ['*', 'http://evil.example/', '//', '/metrics', '/docs/', '']) : '';
  return start === '' ? `/v1/communities/${place}${path}${query === '' ? '' : `?${query}`}` : start;
}

function head(random: Random, { port, community, token }: HostileHttpOptions, method: string): string[] {
  const lines = [`${method} ${address(random, community)} HTTP/1.1`];
  if (random() < 0.95) lines.push(`host: localhost:${port}`);
  if (token !== undefined && random() < 0.5) lines.push(`authorization: Bearer ${token}`);
  for (let count = below(random, 3); count > 0; count--) lines.push(oneOf(random, HEADERS));
  return [...lines, 'connection: close'];
}

const text = (lines: readonly string[], body = ''): Buffer =>
  Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');

const asking: Kind = (random, options) => text(head(random, options, oneOf(random, METHODS)));

const writing: Kind = (random, options) => {
  const body = oneOf(random, BODIES);
  const { port, community, token = 'wrong' } = options;
  const type = oneOf(random, [
    'application/json',
    'application/json; charset=utf-8',
    'text/csv',
    '',
    'application/json',
  ]);
  const key = random() < 0.5 ? [`idempotency-key: ${oneOf(random, ['"k"', 'k', '""', junk(random)])}`] : [];
  return text(
    [
      `POST /v1/communities/${community}/entries HTTP/1.1`,
      ...[`host: localhost:${port}`, `authorization: Bearer ${token}`, `content-type: ${type}`, ...key],
      ...[`content-length: ${Buffer.byteLength(body, 'latin1')}`, 'connection: close'],
    ],
    body,
  );
};

const noise: Kind = (random) => Buffer.from(Array.from({ length: 1 + below(random, 400) }, () => below(random, 256)));

const otherProtocols: Kind = (random) =>
  Buffer.from(
    oneOf(random, [
      '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'GET /\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      '\u0010\u000c\u0000\u0004MQTT\u0004\u0002\u0000\u003c\u0000\u0000',
      'SSH-2.0-x\r\n',
      'QUIT\r\n',
    ]),
    'latin1',
  );

const smuggling: Kind = (random, options) => {
  const lines = head(random, options, 'POST');
  return text(
    [...lines, 'content-length: 4', 'transfer-encoding: chunked', 'content-type: application/json'],
    oneOf(random, ['0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n', 'zz\r\n', '5;a=b\r\n{"a":\r\n', 'ffffffffffffffff\r\n']),
  );
};

const large: Kind = (random, options) => {
  const length = oneOf(random, [9_000, 20_000, 100_000]);
  return text([...head(random, options, 'GET'), `x-large: ${'a'.repeat(length)}`]);
};

const together: Kind = (random, options) => {
  const requests = Array.from({ length: 2 + below(random, 6) }, () => asking(random, options));
  return Buffer.concat(requests);
};

const KINDS: readonly Kind[] = [
  asking,
  asking,
  asking,
  asking,
  writing,
  writing,
  noise,
  otherProtocols,
  smuggling,
  large,
  together,
];
