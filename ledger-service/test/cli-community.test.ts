import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from './support/pump-fakes.js';
import { notBuilt, type Running, run, runJson, start } from './support/run-command.js';

let data: string;
let serving: Running | undefined;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'commonwatt-cli-'));
});

afterEach(async () => {
  serving?.child.kill('SIGTERM');
  await serving?.finished;
  serving = undefined;
  rmSync(data, { recursive: true, force: true });
});

const init = (...more: string[]) =>
  run(['init', '--data', data, '--community', 'street', '--host', 'ledger.test', ...more]);

function keyFile(name = 'box.key'): string {
  const { publicKey } = generateKeyPairSync('ed25519');
  const hex = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
  writeFileSync(join(data, name), `${hex}\n`);
  return join(data, name);
}

const enrol = (home: string, ...more: string[]) =>
  runJson(['enrol', '--data', data, '--home', home, '--key', keyFile(), '--meter', 'eastron-sdm630', ...more]);

async function serve(...more: string[]): Promise<Record<string, unknown>> {
  serving = start(['serve', '--data', data, '--port', '0', '--mqtt-port', '0', '--json', ...more]);
  const { said } = serving;
  await until('serve says where it is', () => said.stdout.includes('\n') || serving?.child.exitCode !== null);
  return JSON.parse(said.stdout) as Record<string, unknown>;
}

describe.skipIf(notBuilt !== '')(`a community on the command line ${notBuilt}`, () => {
  it('begins with keys for their owner alone, and only once', async () => {
    expect((await init()).status).toBe(0);
    for (const role of ['log', 'answer', 'operator']) {
      expect(statSync(join(data, 'keys/street', `${role}.key`)).mode & 0o777).toBe(0o600);
    }
    const operator = readFileSync(join(data, 'keys/street/operator.key'), 'utf8');
    const again = await init();
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('nothing was changed');
    expect(readFileSync(join(data, 'keys/street/operator.key'), 'utf8')).toBe(operator);
  });

  it('refuses a time zone that there is not, before anything is made', async () => {
    const { status, stderr } = await init('--time-zone', 'Europe/Atlantis');
    expect(status).toBe(2);
    expect(stderr).toContain('expected a name like Europe/Brussels');
    expect(existsSync(join(data, 'ledger.db'))).toBe(false);
  });

  it.each(['leave-out', 'wait', 'estimate'])('fixes for good what an outage means: %s', async (policy) => {
    await init('--missing', policy, '--settle-after', '30m', '--grace', '1h', '--max-span', '0');
    const { url } = await serve();
    expect(await (await fetch(`${url}/v1/communities/street`)).json()).toMatchObject({
      settings: { outage_policy: policy, settle_after_s: 1_800, grace_s: 3_600, max_span_s: 0 },
    });
  });

  it('has the commons fund and its rules in the log', async () => {
    await init('--levy', '200', '--commons', 'fund');
    const { communities } = await runJson(['rebuild', '--data', data]);
    expect(communities).toMatchObject([{ community: 'street', entries: 3, equal: true }]);
  });

  it('writes for an enrolled home what its gateway needs', async () => {
    await init();
    const { config } = await enrol('green-door', '--limit', '17', '--mqtt', 'mqtt://broker.test:1883');
    const file = JSON.parse(readFileSync(String(config), 'utf8'));
    expect(file).toMatchObject({
      version: 1,
      community: 'street',
      origin: 'ledger.test/street',
      gateway: 'green-door',
      member: 'green-door',
      mqtt: 'mqtt://broker.test:1883',
      interval_s: 900,
      seal: 'edge',
      meters: [{ index: 0, profile: 'eastron-sdm630', host: '127.0.0.1', port: 502, unit: 1, generation: 1 }],
    });
    expect(file.meters[0].channels[0]).toEqual({ quantity: 1, exponent: 0, width_bits: 64, limit_w: 17_000 });
    expect(file.first_previous).toMatch(/^[0-9a-f]{64}$/);
  });

  it('gives an enrolled key the beginning of its chain again, also when the file that had it is gone', async () => {
    await init();
    const key = keyFile('same.key');
    const enrolSame = async (meter: string) => {
      const said = await runJson(['enrol', '--data', data, '--home', 'one', '--key', key, '--meter', meter]);
      return JSON.parse(readFileSync(String(said.config), 'utf8'));
    };
    const first = await enrolSame('reference');
    rmSync(join(data, 'gateways/street/one.json'));
    const again = await enrolSame('reference:import,export');
    expect(again.first_previous).toBe(first.first_previous);
    expect(again.meters[0].channels).toHaveLength(2);
    expect((await enrol('two')).config).not.toBe(undefined);
    await serve();
    expect((await enrolSame('reference')).first_previous).toBe(first.first_previous);
  });

  it('believes a meter what the connection of its kind of member carries, unless told otherwise', async () => {
    await init();
    const limitOf = async (home: string, ...more: string[]) => {
      const { config } = await enrol(home, ...more);
      return JSON.parse(readFileSync(String(config), 'utf8')).meters[0].channels[0].limit_w;
    };
    expect(await limitOf('home')).toBe(44_000);
    expect(await limitOf('bakery', '--class', 'commercial')).toBe(280_000);
    expect(await limitOf('works', '--class', 'commercial', '--limit', '1500.5')).toBe(1_500_500);
    expect(await limitOf('lab', '--limit', '0')).toBe(0);
  });

  it('changes its rules from an interval on, each figure that is named, and lists them', async () => {
    await init('--levy', '50', '--netting', 'none');
    const { price, first_interval: from } = await runJson(['rules', '--data', data, '--price', '140000']);
    expect(price).toBe(140_000);
    expect(Date.parse(String(from)) % 900_000).toBe(0);
    const { rules } = await runJson(['rules', '--data', data]);
    const [first, second] = rules as Record<string, unknown>[];
    expect(first).toMatchObject({ netting: 'none', price: '0.120000', levy_basis_points: 50 });
    expect(second).toMatchObject({ netting: 'none', price: '0.140000', levy_basis_points: 50 });
    expect(second?.text).toContain('costs 140000 millionths');
    const past = await run(['rules', '--data', data, '--levy', '0', '--from', '2024-01-01T00:00:00Z']);
    expect([past.status, past.stderr]).toEqual([1, expect.stringContaining('expected a first interval after')]);
    const nothing = await run(['rules', '--data', data, '--from', '2034-01-01T00:00:00Z']);
    expect([nothing.status, nothing.stderr]).toEqual([2, expect.stringContaining('--price, --levy or --netting')]);
  });

  it('revokes a key, and enrols the next one for the same home and meter', async () => {
    await init();
    await enrol('one');
    const typo = await run(['revoke', 'oen', '--data', data]);
    expect([typo.status, typo.stderr]).toEqual([
      1,
      'commonwatt: not-found: no gateway oen is enrolled: did you mean one?\n',
    ]);
    const again = await run([
      ...['enrol', '--data', data, '--home', 'one', '--key', keyFile('new.key'), '--meter', 'reference'],
    ]);
    expect(again.stderr).toContain('revoke it first');
    await serve();
    expect((await runJson(['revoke', 'one', '--data', data])).indices).toEqual([5]);
    expect((await run(['revoke', 'one', '--data', data])).status).toBe(1);
    const [gateway] = (await runJson(['gateways', '--data', data])).gateways as Record<string, unknown>[];
    expect(gateway).toMatchObject({ home: 'one', revoked_index: 5, accepted_frames: 0 });
    const table = (await run(['gateways', '--data', data])).stdout.split('\n');
    expect(table[1]).toMatch(/^one +one +[0-9a-f]{16} +revoked +never +1 +0 +0 +0 +0 +0$/);
    const away = join(data, 'on-a-stick.key');
    renameSync(join(data, 'keys/street/operator.key'), away);
    const without = await run(['enrol', '--data', data, '--home', 'one', '--key', keyFile(), '--meter', 'reference']);
    expect([without.status, without.stderr]).toEqual([1, expect.stringContaining('--operator-key')]);
    expect((await enrol('one', '--operator-key', away)).indices).toEqual([6]);
  });

  it('has nothing to approve while nothing has forked, and says so', async () => {
    await init();
    await enrol('one');
    const { status, stdout } = await run(['approve', '--data', data]);
    expect([status, stdout]).toEqual([0, 'Nothing waits: no gateway has forked and asked for a new epoch.\n']);
    const named = await run(['approve', 'one', '--data', data]);
    expect([named.status, named.stderr]).toEqual([
      1,
      'commonwatt: not-found: gateway one waits for no approval; nothing waits\n',
    ]);
  });

  it('draws a pseudonym, takes several meters, and refuses what is no profile or no key', async () => {
    await init();
    const drawn = await runJson([
      ...['enrol', '--data', data, '--key', keyFile()],
      ...['--meter', 'eastron-sdm230@10.0.0.7:1502/3', '--meter', 'sunspec-103-203@10.0.0.8'],
    ]);
    expect(drawn.home).toMatch(/^h-[a-z2-9]{8}$/);
    const { meters } = JSON.parse(readFileSync(String(drawn.config), 'utf8'));
    expect(meters).toMatchObject([
      { index: 0, profile: 'eastron-sdm230', host: '10.0.0.7', port: 1502, unit: 3 },
      { index: 1, profile: 'sunspec-103-203', host: '10.0.0.8', port: 502 },
    ]);
    // The inverter is not waited for as a second connection to the grid.
    const quantities = (meter: { channels: { quantity: number }[] }) => meter.channels.map(({ quantity }) => quantity);
    expect(meters.map(quantities)).toEqual([[1, 2], [3]]);
    const noCounter = await run(['enrol', '--data', data, '--key', keyFile(), '--meter', 'eastron-sdm630:generation']);
    expect(noCounter.stderr).toContain('expected counters of import, export, got generation');
    for (const place of ['@h:0', '@h:65536', '@h:502/256']) {
      const nowhere = await run(['enrol', '--data', data, '--key', keyFile(), '--meter', `reference${place}`]);
      expect([nowhere.status, nowhere.stderr]).toEqual([2, expect.stringContaining('a port from 1 to 65535')]);
    }
    const wrong = await run(['enrol', '--data', data, '--key', keyFile(), '--meter', 'eastron-sdm63']);
    expect(wrong.stderr).toContain('eastron-sdm630');
    writeFileSync(join(data, 'no.key'), 'secret');
    const noKey = await run(['enrol', '--data', data, '--key', join(data, 'no.key'), '--meter', 'reference']);
    expect(noKey.stderr).toContain('64 hex digits');
  });

  it('enrols through the process that serves, and answers alike with and without it', async () => {
    await init();
    await enrol('one');
    const { url, mqtt } = await serve();
    const second = await enrol('two');
    expect(JSON.parse(readFileSync(String(second.config), 'utf8')).mqtt).toBe(mqtt);
    const served = await runJson([
      'statement',
      '--data',
      data,
      '--member',
      'two',
      '--from',
      '2024-05-01',
      '--to',
      '2024-05-02',
    ]);
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'healthy' });
    serving?.child.kill('SIGTERM');
    expect((await serving?.finished)?.status).toBe(0);
    expect(existsSync(join(data, 'serve.json'))).toBe(false);
    const still = await runJson([
      'statement',
      '--data',
      data,
      '--member',
      'two',
      '--from',
      '2024-05-01',
      '--to',
      '2024-05-02',
    ]);
    expect(still).toEqual(served);
    expect(await runJson(['balances', '--data', data])).toMatchObject({
      community: 'street',
      totals: { credits: '0.000000', energy_kwh: '0.000000' },
    });
  });

  it('keeps what a served ledger must not have done to it from happening beside it', async () => {
    await init();
    await serve();
    for (const args of [['serve'], ['rebuild'], ['init', '--community', 'other', '--host', 'h']]) {
      const { status, stderr } = await run([...args, '--data', data]);
      expect(status).toBe(1);
      expect(stderr).toContain('is served by process');
    }
  });

  it('says in one sentence that a port is taken', async () => {
    await init();
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const http = await run(['serve', '--data', data, '--port', `${port}`, '--mqtt-port', '0']);
    expect(http.stderr.trim()).toBe(
      `commonwatt: config: port ${port} on 127.0.0.1 is taken by another program: choose another with --port`,
    );
    const mqtt = await run(['serve', '--data', data, '--port', '0', '--mqtt-port', `${port}`]);
    expect(mqtt.stderr.trim()).toBe(`commonwatt: broker: MQTT port ${port} on 127.0.0.1 is taken by another program`);
    other.close();
  });

  it('serves on while a broker outside is away, and says so', async () => {
    await init();
    const { url } = await serve('--mqtt', 'mqtt://127.0.0.1:1');
    const response = await fetch(`${url}/health`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reasons: ['the MQTT broker is away'] });
  }, 30_000);

  it('has several communities in one folder, and asks which', async () => {
    await init();
    expect((await run(['init', '--data', data, '--community', 'hill', '--host', 'ledger.test'])).status).toBe(0);
    const { status, stderr } = await run(['balances', '--data', data]);
    expect(status).toBe(2);
    expect(stderr).toContain('--community, one of hill, street');
    expect((await run(['balances', '--data', data, '--community', 'hill'])).status).toBe(0);
  });

  it('shows who was never booked on at zero', async () => {
    await init();
    await enrol('one');
    const { stdout } = await run(['balances', '--data', data]);
    expect(
      stdout
        .split('\n')
        .slice(1, 4)
        .map((line) => line.split(/ +/)),
    ).toEqual([
      ['commons', '0.000000', '0.000000'],
      ['one', '0.000000', '0.000000'],
      ['sum', '0.000000', '0.000000'],
    ]);
  });

  it('prints a statement as CSV', async () => {
    await init();
    await enrol('one');
    const { stdout, status } = await run(['statement', '--data', data, '--member', 'one', '--csv']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^start,version,final,quality,/);
    const text = await run(['statement', '--data', data, '--member', 'one']);
    expect(text.stdout).toBe('one: no interval is settled yet.\n');
  });
});
