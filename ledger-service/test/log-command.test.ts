/** Where the commands write their log, and how much of it. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from './support/pump-fakes.js';
import { notBuilt, run, runJson, start } from './support/run-command.js';

async function ledger(): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), 'commonwatt-log-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  await runJson(['init', '--data', data, '--community', 'sunny', '--host', 'ledger.example']);
  return data;
}

async function served(level: readonly string[], environment: Record<string, string> = {}) {
  const data = await ledger();
  const serve = start(['serve', '--data', data, '--port', '0', '--mqtt-port', '0', '--json', ...level], environment);
  onTestFinished(() => void serve.child.kill('SIGKILL'));
  await until('it serves', () => serve.said.stdout.includes('\n'), 20_000);
  const { url } = JSON.parse(serve.said.stdout) as { url: string };
  for (const path of ['/v1/communities', '/v1/communities/suny']) await fetch(`${url}${path}`);
  serve.child.kill('SIGTERM');
  const { status, stderr } = await serve.finished;
  expect(status).toBe(0);
  return stderr
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe.skipIf(notBuilt !== '')(`commonwatt serve ${notBuilt}`, () => {
  it('writes one JSON object a line on standard error, and its answer alone on standard output', async () => {
    const lines = await served([]);
    expect(lines.map(({ msg }) => msg)).toEqual(['serving', 'request refused', 'stopping']);
    expect(lines[1]).toMatchObject({ code: 'not-found', route: '/v1/communities/:community', status: 404 });
  });

  it('writes as much as it is told to, by option or by environment', async () => {
    const [debug, silent] = await Promise.all([
      served(['--log-level', 'debug']),
      served([], { COMMONWATT_LOG_LEVEL: 'silent' }),
    ]);
    expect(debug.map(({ msg }) => msg)).toEqual(['serving', 'answered', 'request refused', 'stopping']);
    expect(silent).toEqual([]);
  });

  it('refuses a level that there is not', async () => {
    const { status, stderr } = await run(['serve', '--log-level', 'wran']);
    expect(status).toBe(2);
    expect(stderr).toContain('did you mean warn?');
  });
});

describe.skipIf(notBuilt !== '')(`commonwatt demo ${notBuilt}`, () => {
  it('writes into service.log, so that the table stays whole', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'commonwatt-demo-'));
    onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
    const data = join(parent, 'street');
    const demo = start(['demo', '--data', data, '--port', '0', '--homes', '8', '--json', '--log-level', 'info']);
    onTestFinished(() => void demo.child.kill('SIGKILL'));
    await until('it has a log', () => existsSync(join(data, 'service.log')), 20_000);
    demo.child.kill('SIGTERM');
    const { stderr } = await demo.finished;
    expect(stderr).not.toContain('"level"');
  }, 60_000);
});
