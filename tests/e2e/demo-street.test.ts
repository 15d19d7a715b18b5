/** The street that `npm start` runs, as processes: it starts, shows itself, survives accidents, stops in order, and goes on. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GroupProcess } from './support/group-process.js';
import { run } from './support/program.js';
import { TempFolder } from './support/temp-folder.js';
import { until } from './support/until.js';

const HOMES = 8;
const STOP_WITHIN_MS = 5_000;
const COMMUNITY = 'sunny-street';

let folder: TempFolder;
let demo: GroupProcess | undefined;

beforeEach(() => {
  folder = new TempFolder('street');
});

afterEach(async () => {
  demo?.signal('SIGKILL');
  await demo?.exited(STOP_WITHIN_MS).catch(() => undefined);
  demo = undefined;
  folder.remove();
});

interface Ready {
  readonly url: string;
  readonly mqtt: string;
}

async function start(...more: string[]): Promise<{ street: GroupProcess; ready: Ready }> {
  const street = new GroupProcess([
    ...['demo', '--data', folder.at('demo'), '--port', '0', '--json', '--homes', `${HOMES}`],
    ...more,
  ]);
  demo = street;
  await until('the street says that it is ready', 60_000, () => {
    if (street.hasEnded) throw new Error(`the street ended: ${street.stderr}`);
    return street.stdout.includes('\n');
  });
  return { street, ready: JSON.parse(street.stdout) as Ready };
}

async function settledIntervals(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/communities/${COMMUNITY}/intervals?limit=1000`);
  const { items } = (await response.json()) as { items: { version: number }[] };
  return items.filter(({ version }) => version > 0).length;
}

const clock = () => (JSON.parse(readFileSync(folder.at('demo', 'clock.json'), 'utf8')) as { base_ms: number }).base_ms;

describe('the demo street', () => {
  it('runs a process per home, answers on REST, and books what neighbours share', async () => {
    const { street, ready } = await start();
    const children = street.children().map(({ args }) => args);
    expect(children.filter((args) => args.includes('commonwatt-gateway'))).toHaveLength(HOMES);
    expect(children.filter((args) => args.includes('commonwatt-sim'))).toHaveLength(1);
    const health = await fetch(`${ready.url}/health`);
    expect(health.status).toBe(200);
    await until('two intervals are settled', 30_000, async () => (await settledIntervals(ready.url)) >= 2);
    const balances = (await (await fetch(`${ready.url}/v1/communities/${COMMUNITY}/balances`)).json()) as {
      totals: unknown;
    };
    expect(balances.totals).toEqual({ credits: '0.000000', energy_kwh: '0.000000' });
    expect(street.stderr).toMatch(/^home +sun now +use now +received +delivered +balance +last receipt$/m);
  }, 120_000);

  it.each([
    [
      'SIGINT to the group, twice',
      (street: GroupProcess) => {
        street.signal('SIGINT');
        street.signal('SIGINT');
      },
    ],
    [
      'SIGTERM to the process alone, then SIGINT',
      (street: GroupProcess) => {
        street.signalAlone('SIGTERM');
        street.signalAlone('SIGINT');
      },
    ],
  ] as const)(
    'stops everything within five seconds of %s',
    async (_what, stop) => {
      const { street } = await start();
      expect(street.children()).toHaveLength(HOMES + 1);
      stop(street);
      expect(await street.exited(STOP_WITHIN_MS)).toBe(0);
      expect(street.children()).toEqual([]);
      expect(existsSync(folder.at('demo', 'serve.json'))).toBe(false);
    },
    120_000,
  );

  it('can be stopped while it is still starting', async () => {
    const street = new GroupProcess(['demo', '--data', folder.at('demo'), '--port', '0', '--json']);
    demo = street;
    await until('it begins', 20_000, () => street.stderr.includes('starting'));
    street.signal('SIGTERM');
    expect(await street.exited(STOP_WITHIN_MS)).toBe(0);
    expect(street.children()).toEqual([]);
  }, 60_000);

  it('goes on where it stopped, without a hole in the balances', async () => {
    const first = await start();
    await until('three intervals are settled', 40_000, async () => (await settledIntervals(first.ready.url)) >= 3);
    first.street.signal('SIGINT');
    expect(await first.street.exited(STOP_WITHIN_MS)).toBe(0);
    const stoppedAt = clock();
    const before = await settledOf(folder.at('demo'));

    const second = await start();
    expect(clock()).toBeGreaterThan(stoppedAt);
    await until('three more are settled', 40_000, async () => (await settledIntervals(second.ready.url)) >= before + 3);
    second.street.signal('SIGINT');
    await second.street.exited(STOP_WITHIN_MS);

    const rebuilt = await run('commonwatt', ['rebuild', '--data', folder.at('demo'), '--json']);
    expect(rebuilt).toMatchObject({ equal: true });
    const statement = (await run('commonwatt', [
      ...['statement', '--data', folder.at('demo'), '--member', 'linden-1', '--json'],
    ])) as unknown as { intervals: { start: string; quality: string }[] };
    const starts = statement.intervals.map(({ start: at }) => Date.parse(at));
    for (const [i, at] of starts.entries()) expect(at - (starts[0] ?? 0)).toBe(i * 900_000);
    for (const { quality } of statement.intervals) expect(['measured', 'interpolated']).toContain(quality);
  }, 180_000);

  it('never shows an instant twice, though it was killed', async () => {
    const first = await start();
    await until('the clock is kept', 10_000, () => existsSync(folder.at('demo', 'clock.json')));
    first.street.signal('SIGKILL');
    await first.street.exited(STOP_WITHIN_MS);
    await until('its children notice', 10_000, () => first.street.children().length === 0);
    const kept = clock();
    const { street } = await start();
    expect(clock()).toBeGreaterThanOrEqual(kept);
    street.signal('SIGINT');
    await street.exited(STOP_WITHIN_MS);
  }, 120_000);

  it('starts a gateway, and the simulator, again when they die', async () => {
    const { street, ready } = await start();
    const gateway = street.children().find(({ args }) => args.includes('commonwatt-gateway'));
    process.kill(gateway?.pid ?? 0, 'SIGKILL');
    await until('the gateway is back', 20_000, () => street.stderr.includes('runs again'));
    expect(street.children()).toHaveLength(HOMES + 1);
    const simulator = street.children().find(({ args }) => args.includes('commonwatt-sim'));
    process.kill(simulator?.pid ?? 0, 'SIGKILL');
    await until('the street is back', 30_000, () => street.stderr.includes('the street runs again'));
    const before = await settledIntervals(ready.url);
    await until('it settles on', 40_000, async () => (await settledIntervals(ready.url)) >= before + 2);
    street.signal('SIGINT');
    expect(await street.exited(STOP_WITHIN_MS)).toBe(0);
    expect(street.children()).toEqual([]);
  }, 180_000);

  it('says in one sentence that its port is taken, and leaves nothing running', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise<void>((resolve) => other.once('listening', () => resolve()));
    const { port } = other.address() as { port: number };
    const street = new GroupProcess(['demo', '--data', folder.at('demo'), '--port', `${port}`]);
    expect(await street.exited(30_000)).toBe(2);
    expect(street.stderr).toContain(
      `port ${port} on 127.0.0.1 is taken by another program: choose another with --port`,
    );
    expect(street.children()).toEqual([]);
    other.close();
  }, 60_000);

  it('forgets the street with --fresh, and never anything else', async () => {
    const first = await start();
    first.street.signal('SIGINT');
    await first.street.exited(STOP_WITHIN_MS);
    const key = readFileSync(folder.at('demo', 'keys', COMMUNITY, 'log.key'), 'utf8');
    const other = new GroupProcess(['demo', '--data', folder.at('demo'), '--port', '0', '--missing', 'wait']);
    expect(await other.exited(20_000)).toBe(1);
    expect(other.stderr).toContain('began with another --missing than wait: begin a new one with --fresh');
    const second = await start('--fresh');
    expect(readFileSync(folder.at('demo', 'keys', COMMUNITY, 'log.key'), 'utf8')).not.toBe(key);
    second.street.signal('SIGINT');
    await second.street.exited(STOP_WITHIN_MS);
    const elsewhere = new GroupProcess(['demo', '--data', folder.path, '--fresh', '--port', '0']);
    expect(await elsewhere.exited(20_000)).toBe(1);
    expect(elsewhere.stderr).toContain('holds something that is no demo street');
  }, 120_000);
});

async function settledOf(data: string): Promise<number> {
  const { sum } = (await run('commonwatt', ['statement', '--data', data, '--member', 'linden-1', '--json'])) as {
    sum?: { intervals: number };
  };
  return sum?.intervals ?? 0;
}
