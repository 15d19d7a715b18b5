import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child, isBuilt } from './support/child.js';
import { Probe, readRequest } from './support/probe.js';

let folder = '';
const children: Child[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonwatt-sim-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill();
  await rm(folder, { recursive: true });
});

function start(): Child {
  const child = new Child(['--lines']);
  children.push(child);
  return child;
}

async function readWords(port: number, address: number, count: number, functionCode = 4): Promise<string> {
  const probe = await Probe.open(port);
  probe.send(readRequest(1, functionCode, address, count));
  const words = (await probe.take(9 + 2 * count)).slice(18);
  probe.close();
  return words;
}

const CSV = `utc_timestamp,household,register,value,unit
2024-01-01T00:00:00Z,a,import,1.5,kWh
2024-01-01T00:15:00Z,a,import,1.75,kWh
2024-01-01T00:15:00Z,b,pv,2,kWh
`;
const T0 = Date.UTC(2024, 0, 1);

describe.skipIf(!isBuilt)('the line protocol of a process (skipped where the package is not built)', () => {
  it('loads a recorded file, steps through it, counts requests and stops', async () => {
    const file = join(folder, 'data.csv');
    await writeFile(file, CSV);
    const child = start();
    const loaded = await child.ask({ do: 'load', file, interval_s: 900 });
    expect(loaded).toMatchObject({
      done: 'load',
      homes: [
        { id: 'a', registers: ['import'], readings: 2, host: '127.0.0.1', unit: 1 },
        { id: 'b', registers: ['pv'], readings: 1 },
      ],
      instants_ms: [T0, T0 + 900_000],
      readings: 3,
    });
    const [a, b] = loaded.homes.map((home: { port: number }) => home.port);
    expect(await child.ask({ do: 'now', t_ms: T0 })).toMatchObject({ done: 'now', t_ms: T0 });
    expect(await readWords(a, 0, 4)).toBe('000000000016e360');
    await expect(Probe.open(b)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await child.ask({ do: 'now', t_ms: T0 + 900_000 });
    expect(await readWords(a, 0, 4)).toBe('00000000001ab3f0');
    expect(await readWords(b, 8, 4)).toBe('00000000001e8480');
    expect(await child.ask({ do: 'stats' })).toMatchObject({ done: 'stats', requests: 3, connections: 3 });
    expect(await child.ask({ do: 'stop' })).toMatchObject({ done: 'stop' });
    expect(await child.finished()).toMatchObject({ status: 0, stderr: '' });
  });

  it('names the line of a file that it refuses, and lives on', async () => {
    const file = join(folder, 'data.csv');
    await writeFile(file, CSV.replace('1.75', 'x'));
    const child = start();
    expect(await child.ask({ do: 'load', file, interval_s: 900 })).toMatchObject({
      failed: 'bad-file',
      message: expect.stringContaining('line 3: value'),
    });
    await writeFile(file, CSV);
    expect(await child.ask({ do: 'load', file, interval_s: 900 })).toMatchObject({ done: 'load' });
    expect(await child.ask({ do: 'load', file, interval_s: 900 })).toMatchObject({ failed: 'wrong-order' });
  });

  it('opens a street, runs on the clock of its parent, keeps the truth and its state', async () => {
    const stateFile = join(folder, 'state.json');
    const truthFile = join(folder, 'truth.csv');
    const child = start();
    const street = await child.ask({ do: 'street', count: 5, state_file: stateFile });
    expect(street.homes.map(({ id }: { id: string }) => id)).toEqual([
      'linden-1',
      'linden-2',
      'bakery',
      'linden-3',
      'linden-4',
    ]);
    expect(
      street.homes[0].devices.map(({ profile, channels }: { profile: string; channels: number[] }) => ({
        profile,
        channels,
      })),
    ).toEqual([
      { profile: 'eastron-sdm630', channels: [1, 2] },
      { profile: 'sunspec-103-203', channels: [3] },
    ]);
    const { port } = street.homes[4].devices[0];
    const dischargeMwh = async () => BigInt(`0x${await readWords(port, 16, 4)}`);
    const before = await dischargeMwh();
    const baseMs = Date.UTC(2024, 5, 21, 18);
    const startNs = process.hrtime.bigint();
    expect(await child.ask({ do: 'clock', base_ms: baseMs, start_ns: String(startNs), speed: 3600 })).toMatchObject({
      done: 'clock',
    });
    await child.ask({
      do: 'clock',
      base_ms: baseMs + 3_600_000,
      start_ns: String(process.hrtime.bigint()),
      speed: 3600,
    });
    expect(await dischargeMwh()).toBeGreaterThan(before);
    const { t_ms: nowMs } = await child.ask({ do: 'stats' });
    expect(nowMs).toBeGreaterThanOrEqual(baseMs + 3_600_000);
    const truth = await child.ask({ do: 'truth', file: truthFile });
    expect(truth.rows).toBeGreaterThan(4 * 5);
    expect(await readFile(truthFile, 'utf8')).toMatch(
      /^utc_timestamp,home,meter,register,value_kwh\n2024-06-21T18:[0134][05]:00Z,/,
    );
    await child.ask({ do: 'stop' });
    expect((await child.finished()).status).toBe(0);
    const saved = JSON.parse(await readFile(stateFile, 'utf8'));
    expect(saved.homes[4].states.at(-1).t_ms).toBeGreaterThanOrEqual(baseMs + 3_600_000);

    const next = start();
    await next.ask({ do: 'street', count: 5, state_file: stateFile });
    await next.ask({ do: 'now', t_ms: saved.homes[4].states.at(-1).t_ms });
    const resumed = await next.ask({ do: 'truth', file: truthFile });
    expect(resumed.dropped).toBe(0);
    await next.ask({ do: 'stop' });
    const again = JSON.parse(await readFile(stateFile, 'utf8'));
    expect(again.homes[4].states.at(-1)).toEqual(saved.homes[4].states.at(-1));
  });

  it('takes homes of the parent’s own, and faults for any of them', async () => {
    const child = start();
    const home = { id: 'x', seed: 1, load: { shape: 'shop', yearly_kwh: 9000 }, meters: ['reference'] };
    const street = await child.ask({
      do: 'street',
      homes: [home],
      location: { lat: -33.9, lon: 18.4 },
      seed: 3,
      interval_s: 300,
    });
    const { port } = street.homes[0].devices[0];
    await child.ask({ do: 'now', t_ms: T0 });
    const good = await readWords(port, 0, 4);
    expect(await child.ask({ do: 'fault', home: 'x', fault: 'step-back', kwh: '0.000001', count: 1 })).toMatchObject({
      done: 'fault',
    });
    expect(BigInt(`0x${await readWords(port, 0, 4)}`)).toBe(BigInt(`0x${good}`) - 1n);
    expect(await readWords(port, 0, 4)).toBe(good);
    await child.ask({ do: 'fault', home: 'x', fault: 'refuse' });
    await expect(Probe.open(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await child.ask({ do: 'fault', home: 'x', fault: 'none' });
    expect(await readWords(port, 0, 4)).toBe(good);
    expect(await child.ask({ do: 'fault', home: 'y', fault: 'none' })).toMatchObject({ failed: 'unknown-home' });
    expect(await child.ask({ do: 'fault', home: 'x', device: 1, fault: 'none' })).toMatchObject({
      failed: 'unknown-home',
    });
  });

  it.each<[object, string, RegExp]>([
    [{ do: 'lod', file: '/x' }, 'bad-request', /did you mean load\?/],
    [{}, 'bad-request', /do: expected one of street, load/],
    [{ do: 'load', fil: '/x' }, 'bad-request', /unknown key "fil": did you mean file\?/],
    [{ do: 'load', file: 'relative.csv' }, 'bad-request', /expected an absolute path/],
    [{ do: 'load', file: '/nowhere/x.csv' }, 'bad-file', /ENOENT/],
    [{ do: 'load', file: '/x', interval_s: 7 }, 'bad-request', /interval_s/],
    [{ do: 'now', t_ms: 1.5 }, 'bad-request', /t_ms: expected a whole number/],
    [{ do: 'now', t_ms: -1 }, 'bad-request', /t_ms/],
    [{ do: 'now', t_ms: 1 }, 'wrong-order', /expected a street before it/],
    [{ do: 'truth', file: '/tmp/x' }, 'wrong-order', /expected a street/],
    [{ do: 'clock', base_ms: 0, start_ns: '-1', speed: 1 }, 'bad-request', /start_ns/],
    [{ do: 'clock', base_ms: 0, start_ns: '1', speed: -1 }, 'bad-request', /speed/],
    [{ do: 'street', homes: [] }, 'bad-scenario', /list of 1 to 200/],
    [{ do: 'street', homes: [{ id: '../x', seed: 1 }] }, 'bad-scenario', /id: expected an id/],
    [{ do: 'fault', home: 'x', fault: 'silense' }, 'bad-request', /did you mean silence\?/],
    [{ do: 'stats', id: 'seven' }, 'bad-request', /id: expected a whole number/],
  ])('refuses %j', async (request, failed, message) => {
    const child = start();
    child.write(`${JSON.stringify({ id: 7, ...request })}\n`);
    expect(JSON.parse(await child.line())).toMatchObject({ failed, message: expect.stringMatching(message) });
    child.endInput();
    expect((await child.finished()).status).toBe(0);
  });

  it('answers every line, however odd, with one line, and ends with its input', async () => {
    const child = start();
    const odd = [
      '',
      'x',
      '[]',
      'null',
      '"do"',
      '{"id":1}',
      '{"do":{"a":1}}',
      '\u0000',
      `{"id":1,"do":"${'x'.repeat(2_000_000)}"}`,
      '{"__proto__":{"do":"stop"}}',
    ];
    for (const line of odd) {
      child.write(`${line}\n`);
      expect(JSON.parse(await child.line())).toMatchObject({ failed: 'bad-request' });
    }
    expect(await child.ask({ do: 'stats' })).toMatchObject({ done: 'stats' });
    child.endInput();
    expect(await child.finished()).toMatchObject({ status: 0, stderr: '' });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops in order on %s, also twice, and saves its state', async (signal) => {
    const stateFile = join(folder, 'state.json');
    const child = start();
    await child.ask({ do: 'street', count: 2, state_file: stateFile });
    await child.ask({ do: 'now', t_ms: T0 });
    child.signal(signal);
    child.signal(signal);
    expect((await child.finished()).status).toBe(0);
    expect((await stat(stateFile)).size).toBeGreaterThan(100);
  });
});
