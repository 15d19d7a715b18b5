import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child, isBuilt, run } from './support/child.js';
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

function start(...args: string[]): Child {
  const child = new Child(args);
  children.push(child);
  return child;
}

describe.skipIf(!isBuilt)('commonwatt-sim (skipped where the package is not built)', () => {
  it('explains itself', async () => {
    for (const args of [['--help'], ['street', '--help'], ['replay', '--help']]) {
      const { status, stdout } = await run(args);
      expect(status).toBe(0);
      expect(stdout).toContain('Usage: commonwatt-sim');
    }
    expect((await run([])).status).toBe(1);
  });

  it.each([
    [['--linse'], /Did you mean --lines\?/],
    [['streat'], /Did you mean street\?/],
    [['street', '--sped', '3'], /Did you mean --speed\?/],
    [['street', '--homes', '0'], /whole number from 1 to 200/],
    [['street', '--speed', '1e3'], /number from 0 to 100000/],
    [['replay'], /missing required argument 'file'/],
    [['replay', 'a', 'b'], /too many arguments/],
    [['replay', '/nowhere/x.csv'], /ENOENT/],
    [['street', '--scenario', '/nowhere/x.json'], /ENOENT/],
    [['street', '--bind', '192.0.2.1'], /192\.0\.2\.1:0: listen/],
  ])('refuses %j', async (args, message) => {
    const { status, stdout, stderr } = await run(args);
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });

  it('runs the street until it is told to stop, with one JSON object on standard output', async () => {
    const [truth, state] = [join(folder, 'truth.csv'), join(folder, 'state.json')];
    const child = start('street', '--homes', '2', '--speed', '3600', '--json', '--truth', truth, '--state', state);
    const { homes } = JSON.parse(await child.line());
    const probe = await Probe.open(homes[0].devices[0].port);
    probe.send(readRequest(1, 4, 72, 4));
    expect(await probe.take(17)).toMatch(/^00010000000b010408/);
    probe.close();
    child.signal('SIGINT');
    const { status, stdout } = await child.finished();
    expect(status).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(await readFile(truth, 'utf8')).toContain('utc_timestamp,home,meter,register,value_kwh');
    const again = start('street', '--homes', '2', '--json', '--state', state);
    expect(JSON.parse(await again.line()).homes).toHaveLength(2);
    again.signal('SIGTERM');
    expect((await again.finished()).status).toBe(0);
  });

  it('prints a table of addresses for people', async () => {
    const child = start('street', '--homes', '1');
    expect(await child.line()).toMatch(/^home +profile +address +unit$/);
    expect(await child.line()).toMatch(/^linden-1 +eastron-sdm630 +127\.0\.0\.1:\d+ +1$/);
    child.signal('SIGINT');
    expect((await child.finished()).stderr).toContain('Ctrl-C stops');
  });

  it('replays a recorded file to its end', async () => {
    const file = join(folder, 'data.csv');
    await writeFile(
      file,
      'utc_timestamp,household,register,value,unit\n2024-01-01T00:00:00Z,a,import,1,kWh\n2024-01-01T00:15:00Z,a,import,2,kWh\n',
    );
    const child = start('replay', file, '--speed', '2000', '--json');
    expect(JSON.parse(await child.line()).homes).toMatchObject([{ id: 'a', readings: 2 }]);
    const { status, stderr } = await child.finished();
    expect(status).toBe(0);
    expect(stderr).toContain('Shown up to 2024-01-01T00:15:00Z');
  });

  it('uses the ports it is told to use', async () => {
    const child = start('street', '--homes', '1', '--json', '--first-port', '28731');
    const { homes } = JSON.parse(await child.line());
    expect(homes[0].devices.map(({ port }: { port: number }) => port)).toEqual([28_731, 28_732]);
    child.signal('SIGINT');
    await child.finished();
  });
});
