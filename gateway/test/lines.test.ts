import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, parseFramePayload, parseSealed, parseStatus, toHex } from '@commonwatt/firmware-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeLedger, hasher } from './support/fake-ledger.js';
import { LineProcess } from './support/line-process.js';
import { RealBroker, until } from './support/real-broker.js';
import { ReferenceServer } from './support/reference-server.js';

const EDGE_MS = Date.UTC(2026, 5, 21, 10, 0, 0);
const QUARTER_MS = 900_000;

let ledger: FakeLedger;
let broker: RealBroker;
let folder: string;
let meters: ReferenceServer[];
const processes: LineProcess[] = [];

beforeEach(async () => {
  ledger = new FakeLedger();
  broker = await new RealBroker(ledger).start();
  folder = mkdtempSync(join(tmpdir(), 'cw-lines-'));
  meters = [];
});

afterEach(async () => {
  for (const process of processes.splice(0)) await process.kill();
  for (const { server } of meters) await server.close();
  await broker.stop();
  rmSync(folder, { recursive: true });
});

function launch(): LineProcess {
  const process = new LineProcess();
  processes.push(process);
  return process;
}

/** Makes the key, enrols it, starts the gateway; a second call starts the same box again. */
async function startBox(
  process: LineProcess,
  name: string,
  meter: ReferenceServer,
  change: object = {},
): Promise<object> {
  const data = join(folder, name);
  const { public_key } = await process.ask({ do: 'key', gateway: name, data });
  const publicKey = fromHex(String(public_key));
  const known = enrolled.get(toHex(publicKey));
  const firstPrevious = known ?? toHex(ledger.enrol(publicKey));
  enrolled.set(toHex(publicKey), firstPrevious);
  const config = {
    version: 1,
    community: 'street',
    origin: ledger.origin,
    gateway: name,
    member: `${name}-member`,
    mqtt: broker.url,
    log_key: toHex(ledger.logSigner.publicKey),
    answer_key: toHex(ledger.answerSigner.publicKey),
    first_previous: firstPrevious,
    interval_s: 900,
    poll_s: 0,
    seal: 'edge',
    meters: [
      {
        index: 1,
        id: `${name}-meter`,
        profile: 'reference',
        host: '127.0.0.1',
        port: meter.port,
        unit: 1,
        channels: [
          { quantity: 1, exponent: -3, width_bits: 64, limit_w: 0 },
          { quantity: 2, exponent: -3, width_bits: 64, limit_w: 0 },
        ],
      },
    ],
    ...change,
  };
  return process.ask({ do: 'start', config, data });
}

const enrolled = new Map<string, string>();

async function newMeter(): Promise<ReferenceServer> {
  const meter = await new ReferenceServer().listen();
  meters.push(meter);
  return meter;
}

describe('the line protocol', () => {
  it('steps many gateways at once and counts what it did', async () => {
    const process = launch();
    for (const name of ['a', 'b', 'c']) {
      expect(await startBox(process, name, await newMeter())).toMatchObject({ done: 'start', gateway: name });
    }
    for (let i = 0; i < 4; i++) {
      for (const [at, meter] of meters.entries()) meter.values = [BigInt(100 * at + i), 5n];
      const done = await process.ask({ do: 'now', t_ms: EDGE_MS + i * QUARTER_MS });
      expect(done).toMatchObject({
        done: 'now',
        t_ms: EDGE_MS + i * QUARTER_MS,
        sealed: 3,
        receipts: 3,
        pending: 0,
        refused: 0,
      });
    }
    const { gateways } = (await process.ask({ do: 'stats' })) as { gateways: Record<string, number>[] };
    const sum = (key: string) => gateways.reduce((total, gateway) => total + gateway[key]!, 0);
    expect(sum('frames_published')).toBe(broker.count('frame'));
    expect(sum('modbus_requests')).toBe(meters.reduce((total, { server }) => total + server.requests.length, 0));
    expect(sum('frames_sealed')).toBe(12);
    expect(sum('receipts')).toBe(12);
    expect(ledger.accepted.every(({ payload }) => payload.startS % 900 === 0)).toBe(true);
    expect(await process.ask({ do: 'stop' })).toMatchObject({ done: 'stop' });
    expect(await process.ended()).toBe(0);
  });

  it('leaves out a home whose meter hangs up and refuses the connection, and asks it nothing', async () => {
    const process = launch();
    const [first, second] = [await newMeter(), await newMeter()];
    await startBox(process, 'a', first);
    await startBox(process, 'b', second);
    await process.ask({ do: 'now', t_ms: EDGE_MS });
    await second.server.close();
    expect(await process.ask({ do: 'now', t_ms: EDGE_MS + QUARTER_MS })).toMatchObject({ sealed: 1, receipts: 1 });
    await second.server.listen(second.port);
    expect(await process.ask({ do: 'now', t_ms: EDGE_MS + 2 * QUARTER_MS })).toMatchObject({ sealed: 2, receipts: 2 });
    const { gateways } = (await process.ask({ do: 'stats' })) as { gateways: { modbus_requests: number }[] };
    expect(gateways.map((gateway) => gateway.modbus_requests)).toEqual(
      meters.map(({ server }) => server.requests.length),
    );
  });

  it('says what is wrong with a line, and reads on', async () => {
    const process = launch();
    const broken = process.answerTo(null);
    process.send('{not json\n');
    expect(await broken).toMatchObject({ failed: 'bad-line' });
    expect(await process.ask({ do: 'strat' })).toMatchObject({
      failed: 'unknown-command',
      message: expect.stringMatching(/did you mean start\?/),
    });
    expect(await process.ask({ do: 'now', t_ms: 'soon' })).toMatchObject({ failed: 'bad-line' });
    expect(await process.ask({ do: 'clock', base_ms: 0, start_ns: '12x', speed: 1 })).toMatchObject({
      failed: 'bad-line',
    });
    expect(await startBox(process, 'a', await newMeter(), { intervall_s: 5 })).toMatchObject({
      failed: 'bad-config',
      message: expect.stringMatching(/did you mean interval_s\?/),
    });
    const long = process.answerTo(null);
    process.send(`${'x'.repeat(1_100_000)}\n`);
    expect(await long).toMatchObject({ failed: 'bad-line', message: expect.stringMatching(/1 MiB/) });
    expect(await process.ask({ do: 'stats' })).toEqual({ id: expect.any(Number), done: 'stats', gateways: [] });
  });

  it('runs by the clock of its parent, polls at edges and in between, and tells of the power now', async () => {
    const process = launch();
    const meter = await newMeter();
    await startBox(process, 'a', meter, { poll_s: 300 });
    // A quarter of an hour in 0.9 seconds.
    const clock = {
      base_ms: EDGE_MS + QUARTER_MS - 350_000,
      start_ns: String(global.process.hrtime.bigint()),
      speed: 1000,
    };
    expect(await process.ask({ do: 'clock', ...clock })).toMatchObject({ done: 'clock' });
    const started = performance.now();
    const timer = setInterval(() => {
      // 2 kW.
      meter.values = [
        1_000_000n + BigInt(Math.round((performance.now() - started) * 1000 * (2_000_000 / 3_600_000))),
        5n,
      ];
    }, 5);
    await until(() => ledger.accepted.length >= 3, 'three frames', 20_000);
    clearInterval(timer);
    const frames = ledger.accepted.map(({ payload }) => payload);
    const edges = frames.map((frame) => (typeof frame.step === 'number' ? undefined : frame.step.at(-1)));
    expect(edges.length).toBeGreaterThanOrEqual(3);
    expect(frames.map(({ number }) => number)).toEqual(frames.map((_, at) => at + 1));
    await until(() => process.events.some(({ use_w }) => Number(use_w) > 0), 'live lines');
    const live = process.events.find(({ use_w }) => Number(use_w) > 0)!;
    expect(live).toMatchObject({ event: 'live', gateway: 'a', sun_w: 0 });
    expect(Number(live.use_w)).toBeGreaterThan(1000);
    expect(Number(live.use_w)).toBeLessThan(4000);
    expect(broker.count('live')).toBeGreaterThan(0);
  });

  it.each(['SIGTERM', 'SIGINT', 'end of input'] as const)('stops in order at %s', async (how) => {
    const process = launch();
    await startBox(process, 'a', await newMeter());
    await process.ask({ do: 'now', t_ms: EDGE_MS });
    const startedMs = performance.now();
    if (how === 'end of input') process.child.stdin!.end();
    else process.child.kill(how);
    expect(await process.ended()).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(2000);
    const last = broker.published.findLast(({ topic }) => topic.endsWith('/status'))!;
    expect(parseStatus(last.payload)).toMatchObject({ state: 'offline' });
  });

  it('makes the key once, for its owner only', async () => {
    const process = launch();
    const data = join(folder, 'box');
    const { public_key } = await process.ask({ do: 'key', gateway: 'a', data });
    expect(await process.ask({ do: 'key', gateway: 'a', data })).toMatchObject({ public_key });
    expect(statSync(join(data, 'device.key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(data, 'device.pub'), 'utf8').trim()).toBe(public_key);
  });
});

describe('kill -9', () => {
  it('at any moment loses no number and signs none over two contents', async () => {
    const meter = await newMeter();
    let value = 0n;
    for (let round = 0; round < 5; round++) {
      const process = launch();
      await startBox(process, 'a', meter);
      for (let i = 0; i < 3; i++) {
        value += 10n;
        meter.values = [value, 5n];
        const step = process.ask({ do: 'now', t_ms: EDGE_MS + Number(value / 10n) * QUARTER_MS });
        if (i < 2) expect(await step).toMatchObject({ pending: 0 });
      }
      // Anywhere between the poll and the receipt of the third step.
      await new Promise((resolve) => setTimeout(resolve, round * 4));
      await process.kill();
    }
    const last = launch();
    await startBox(last, 'a', meter);
    value += 10n;
    meter.values = [value, 5n];
    expect(await last.ask({ do: 'now', t_ms: EDGE_MS + Number(value / 10n) * QUARTER_MS })).toMatchObject({
      pending: 0,
    });
    const bytesByNumber = new Map<string, string>();
    for (const message of ledger.heard) {
      const { epoch, number } = parseFramePayload(parseSealed(message).payload);
      const hash = toHex(hasher.sha256(message));
      expect(bytesByNumber.get(`${epoch}/${number}`) ?? hash).toBe(hash);
      bytesByNumber.set(`${epoch}/${number}`, hash);
    }
    expect(ledger.accepted.map(({ payload }) => payload.number)).toEqual(ledger.accepted.map((_, at) => at + 1));
    expect(ledger.accepted.every(({ payload }) => payload.epoch === 1)).toBe(true);
  });

  it('before the answer: the same bytes come again', async () => {
    const meter = await newMeter();
    const first = launch();
    await startBox(first, 'a', meter);
    broker.hears = () => false;
    void first.ask({ do: 'now', t_ms: EDGE_MS });
    await until(() => broker.count('frame') === 1, 'the frame');
    await first.kill();
    broker.hears = () => true;
    const second = launch();
    await startBox(second, 'a', meter);
    await until(() => ledger.accepted.length === 1, 'the frame again');
    const sent = broker.published
      .filter(({ topic }) => topic.endsWith('/frame'))
      .map(({ payload }) => payload.toString('hex'));
    expect(new Set(sent).size).toBe(1);
  });
});
