/** Whatever happens to a service, its log holds no secret, no name, no address and no payload; and it says what happened. */
import { readFileSync } from 'node:fs';
import { toHex } from '@commonwatt/firmware-protocol';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeHasher } from '../src/adapters/system/node-crypto.js';
import { encodePartyFields, sealEntry } from '../src/core/records/index.js';
import { until } from './support/pump-fakes.js';
import { COMMUNITY, RunningService, type SealingHome } from './support/running-service.js';

const NAME = 'Annegret Musterfrau';
const ADDRESS = 'Sonnenallee 17, 12047 Berlin';
const C = `/v1/communities/${COMMUNITY}`;
const hasher = nodeHasher();

let running: RunningService;
let box: SealingHome;
const payloads: Uint8Array[] = [];
const requestIds: string[] = [];

beforeAll(async () => {
  running = await RunningService.start({ level: 'debug', bind: '0.0.0.0' });
  box = await running.enrol('h1', NAME, 41);
  await everythingOverHttp();
  await everythingOverMqtt();
  await damagedRow();
}, 60_000);

afterAll(() => running.stop());

async function ask(path: string, headers: Record<string, string> = {}): Promise<number> {
  const { status, headers: answered } = await running.ask(path, { headers });
  requestIds.push(answered.get('x-request-id') ?? 'none');
  return status;
}

async function everythingOverHttp(): Promise<void> {
  const bearer = { authorization: `Bearer ${running.token}` };
  const { paths } = (await (await running.ask('/openapi.json')).json()) as { paths: Record<string, object> };
  const someone = encodeURIComponent(NAME);
  for (const path of [...Object.keys(paths), '/', '/docs/ERRORS.md', '/nowhere', `/${someone}`]) {
    const filled = path.replace('{community}', COMMUNITY).replace(/\{\w+\}/g, '0');
    await ask(filled);
    await ask(`${filled}?after=${someone}`, bearer);
    await ask(`${filled}?${someone}=${encodeURIComponent(ADDRESS)}`, { authorization: `Bearer ${running.token}x` });
  }
  await ask(`${C}/members/${someone}`, bearer);
  await ask(C, { 'x-request-id': running.token });
  await ask(C, { 'x-request-id': `${NAME} ${ADDRESS}` });
  await ask(C, { 'x-request-id': 'as-the-caller-said.1' });
  await ask(`${C}/members/m-h1`, { ...bearer, 'if-none-match': '*', 'x-name': NAME });
  await entries();
}

function party(number: number): Uint8Array {
  const payload = encodePartyFields({ number, member: `m-${number}`, memberClass: 1, name: NAME, address: ADDRESS });
  const cose = sealEntry({ payload, origin: running.origin, signer: running.operator, hasher });
  payloads.push(cose);
  return cose;
}

async function entries(): Promise<void> {
  const cose = party(await running.nextNumber());
  const key = { 'idempotency-key': `"${NAME.replace(' ', '-')}"` };
  for (const headers of [{ authorization: 'Bearer wrong' }, key, key, {}, { 'idempotency-key': NAME }]) {
    await running.post([{ kind: 1, cose }], headers as Record<string, string>);
  }
  const bent = Uint8Array.from(cose);
  bent[bent.length - 1]! ^= 1;
  await running.post([{ kind: 1, cose: bent }], key);
  await running.post([{ kind: 2, cose }]);
  await running.post([{ kind: 1, cose: Buffer.from(JSON.stringify({ name: NAME })) }]);
  const bodies = [`{"name":"${NAME}","address":"${ADDRESS}"}`, `${NAME}`, `{"entries":[{"kind":1,"cose":"${NAME}"}]}`];
  for (const body of bodies) {
    const headers = { authorization: `Bearer ${running.token}`, 'content-type': 'application/json' };
    await running.ask(`${C}/entries`, { method: 'POST', headers, body });
  }
}

async function everythingOverMqtt(): Promise<void> {
  const frame = running.frame(box);
  const bent = Uint8Array.from(frame);
  bent[bent.length - 1]! ^= 1;
  const stranger = { ...box, device: { ...box.device, publicKey: running.operator.publicKey } };
  const messages = [frame, frame, bent, running.frame(stranger), Buffer.from(NAME), new Uint8Array(0)];
  payloads.push(...messages.filter(({ length }) => length > 30));
  for (const message of messages) await running.publish('h1', message);
  for (const message of [frame, bent, Buffer.from(NAME)]) await running.publish('h1', message, 'event');
  const rude = mqtt.connect(running.service.bus.url, {
    ...{ protocolVersion: 4, reconnectPeriod: 0, clientId: 'rude', username: NAME, password: running.token },
  });
  rude.on('error', () => undefined);
  await new Promise((resolve) => rude.once('connect', resolve));
  const closed = new Promise<void>((resolve) => rude.once('close', () => resolve()));
  rude.publish(`cw/1/${COMMUNITY}/h1/answer`, ADDRESS, { qos: 1 });
  await closed;
}

/** A row that is no longer JSON: the parser's own message would show a piece of it. */
async function damagedRow(): Promise<void> {
  const { store } = running.service.open;
  const size = await store.size(COMMUNITY);
  const writes = [{ table: 'party', key: 'm-h0', value: `{"name":${NAME},"address":"${ADDRESS}"}` }] as const;
  await store.commit(COMMUNITY, { expectedSize: size, newSize: size, writes });
  expect(await ask(`${C}/members`, { authorization: `Bearer ${running.token}` })).toBe(500);
  await until('the fault is written down', () => running.logText.includes('request failed'));
}

describe('the log', () => {
  it('holds no token, no key, no name, no address and no payload', () => {
    const text = running.logText;
    expect(text.length).toBeGreaterThan(10_000);
    for (const secret of [
      running.token,
      running.token.slice(0, 20),
      NAME,
      'Musterfrau',
      'Annegret',
      ADDRESS,
      'Sonnenallee',
    ]) {
      expect(text).not.toContain(secret);
    }
    for (const role of ['log', 'answer', 'operator'] as const) {
      const pem = readFileSync(running.folder.keyFile(COMMUNITY, role), 'utf8');
      const inner = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64').subarray(-32);
      for (const bytes of [inner, running.folder.readKey(COMMUNITY, role).publicKey]) expectNot(text, bytes);
    }
    for (const bytes of [box.device.publicKey, new Uint8Array(32).fill(41), ...payloads]) expectNot(text, bytes);
  });

  it('has one line for every request, each with its id, its route and its status', () => {
    const requests = running.lines.filter((line) => 'request' in line);
    const ids = requests.map((line) => line.request);
    expect(new Set(ids).size).toBeGreaterThan(100);
    for (const id of requestIds) {
      expect(
        ids.filter((one) => one === (id === running.token ? '[secret]' : id)),
        id,
      ).toHaveLength(1);
    }
    for (const line of requests) {
      expect(line).toMatchObject({ method: expect.any(String), status: expect.any(Number), ms: expect.any(Number) });
      expect(line.route).toMatch(/^(\/[A-Za-z0-9:._*-]*)*$/);
      if ((line.status as number) >= 400) expect(line.code).toMatch(/^[a-z-]+$/);
    }
    expect(ids).toContain('as-the-caller-said.1');
  });

  it('says with a code what was refused, and of what gateway', () => {
    const refused = running.lines.filter(({ msg }) => msg === 'frame refused' || msg === 'event refused');
    expect(refused.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['malformed', 'bad-signature', 'unknown-key']),
    );
    for (const line of refused) expect(line).toMatchObject({ level: 'info', community: COMMUNITY, gateway: 'h1' });
    const codes = running.lines.map(({ code }) => code);
    for (const code of ['unauthorised', 'not-found', 'bad-request', 'bad-number', 'bad-entry', 'conflict']) {
      expect(codes).toContain(code);
    }
  });

  it('says of a fault where it came from, and nothing that was in the data', () => {
    const [fault] = running.lines.filter(({ msg }) => msg === 'request failed');
    expect(fault).toMatchObject({
      level: 'error',
      status: 500,
      code: 'invariant',
      route: '/v1/communities/:community/members',
    });
    const error = fault!.error as { code: string; at: string[]; cause: { type: string; message?: string } };
    expect(error.code).toBe('invariant');
    expect(error.at.join()).toContain('row-codec');
    expect(error.cause).toMatchObject({ type: 'SyntaxError' });
    expect(error.cause.message).toBeUndefined();
  });

  it('says what was written, at a level that is on by default', () => {
    const written = running.lines.filter(({ msg }) => msg === 'written');
    expect(written.length).toBeGreaterThanOrEqual(3);
    for (const line of written) expect(line).toMatchObject({ level: 'info', method: 'POST', status: 201 });
  });
});

function expectNot(text: string, bytes: Uint8Array): void {
  const hex = toHex(bytes).slice(0, 40);
  const base64 = Buffer.from(bytes).toString('base64').slice(0, 24);
  expect(text.toLowerCase()).not.toContain(hex);
  expect(text).not.toContain(base64);
}
