import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromHex, parseStatus, toHex } from '@commonwatt/firmware-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeLedger } from './support/fake-ledger.js';
import { RealBroker, until } from './support/real-broker.js';
import { ReferenceServer } from './support/reference-server.js';

const LAUNCHER = fileURLToPath(new URL('../bin/commonwatt-gateway.js', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cw-cli-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [LAUNCHER, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('the command line', () => {
  it('helps at every command', async () => {
    for (const args of [['--help'], ['key', '--help'], ['run', '--help'], ['status', '--help'], []]) {
      const { code, stdout } = await cli(...args);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^Usage: commonwatt-gateway/)]);
    }
  });

  it.each([
    [['rum'], /there is no command rum: did you mean run\?/],
    [['run', '--confg', 'x'], /there is no option --confg: did you mean --config\?/],
    [['status', '--dta=x'], /there is no option --dta: did you mean --data\?/],
    [['--line'], /there is no option --line: did you mean --lines\?/],
    [['run', '--data', 'x'], /required option '--config <file>' not specified/],
  ])('refuses %j with what was meant', async (args, message) => {
    const { code, stdout, stderr } = await cli(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('prints the key, made once, readable by its owner only', async () => {
    const first = await cli('key', '--data', join(folder, 'box'));
    expect(first.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    chmodSync(join(folder, 'box', 'device.key'), 0o644);
    const second = await cli('key', '--data', join(folder, 'box'), '--json');
    expect(JSON.parse(second.stdout)).toEqual({
      public_key: first.stdout.trim(),
      kid: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(second.stderr).toBe('');
    expect(statSync(join(folder, 'box', 'device.key')).mode & 0o777).toBe(0o600);
  });

  it('refuses a key file that is none', async () => {
    writeFileSync(join(folder, 'device.key'), 'nothing');
    const { code, stderr } = await cli('key', '--data', folder);
    expect(code).toBe(1);
    expect(stderr).toMatch(/bad-key-file: .*expected an Ed25519 private key in PEM/);
  });

  it('says that nothing has run where nothing has run', async () => {
    expect(await cli('status', '--data', folder)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no-status: /),
    });
  });
});

describe('run', () => {
  it('reads in real time, says how it is, refuses a second process, and stops in order', async () => {
    const ledger = new FakeLedger();
    const broker = await new RealBroker(ledger).start();
    const meter = await new ReferenceServer().listen();
    const data = join(folder, 'box');
    const { stdout: publicKey } = await cli('key', '--data', data);
    const config = join(folder, 'box.json');
    writeFileSync(
      config,
      JSON.stringify({
        version: 1,
        community: 'street',
        origin: ledger.origin,
        gateway: 'green-door',
        member: 'm-1',
        mqtt: broker.url,
        log_key: toHex(ledger.logSigner.publicKey),
        answer_key: toHex(ledger.answerSigner.publicKey),
        first_previous: toHex(ledger.enrol(fromHex(publicKey.trim()))),
        interval_s: 1,
        meters: [
          {
            index: 0,
            id: 'meter-1',
            profile: 'reference',
            host: '127.0.0.1',
            port: meter.port,
            channels: [{ quantity: 1, exponent: -3 }],
          },
        ],
      }),
    );
    meter.values = [5n];
    const child = spawn(process.execPath, [LAUNCHER, 'run', '--config', config, '--data', data], { stdio: 'pipe' });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => ledger.accepted.length >= 2, 'two frames');
    await until(() => /ready; meters: meter-1 ok; next frame 1\/\d+; waiting \d/.test(said), 'a status line');
    // Dated when they were read: within the second of an edge.
    for (const { payload } of ledger.accepted) expect(Math.abs(payload.startS - Date.now() / 1000)).toBeLessThan(30);
    const second = await cli('run', '--config', config, '--data', data);
    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/outbox-in-use: another gateway process has/),
    });
    const status = await cli('status', '--data', data);
    expect(status.stdout).toMatch(/^gateway {11}green-door\n/);
    expect(status.stdout).toMatch(/^condition {9}ready$/m);
    const asJson = JSON.parse((await cli('status', '--data', data, '--json')).stdout);
    expect(asJson).toMatchObject({ state: 'online', condition: { name: 'ready' }, age_s: expect.any(Number) });
    const ended = once(child, 'exit');
    const startedMs = performance.now();
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(performance.now() - startedMs).toBeLessThan(2000);
    const last = broker.published.findLast(({ topic }) => topic.endsWith('/status'))!;
    expect(parseStatus(last.payload)).toEqual({ state: 'offline', gateway: 'green-door' });
    expect(readFileSync(join(data, 'device.key'), 'utf8')).toMatch(/BEGIN PRIVATE KEY/);
    await broker.stop();
    await meter.server.close();
  });
});
