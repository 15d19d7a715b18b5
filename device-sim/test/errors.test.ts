import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child, isBuilt } from './support/child.js';

let folder = '';
const children: Child[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonwatt-sim-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill();
  await rm(folder, { recursive: true });
});

async function codesOf(args: string[], ...requests: object[]): Promise<string> {
  const child = new Child(['--lines', ...args]);
  children.push(child);
  let last = '';
  for (const request of requests) last = String((await child.ask(request)).failed);
  return last;
}

describe.skipIf(!isBuilt)('every code, through the outer door (skipped where the package is not built)', () => {
  const street = { do: 'street', count: 1 };

  it('is produced by something, and there are no others', async () => {
    const damaged = join(folder, 'damaged');
    await writeFile(damaged, 'x');
    const produced = [
      await codesOf([], { do: 'nothing' }),
      await codesOf([], { do: 'street', homes: [{}] }),
      await codesOf([], { do: 'load', file: damaged }),
      await codesOf([], { ...street, state_file: damaged }),
      await codesOf([], street, { do: 'fault', home: 'nobody', fault: 'none' }),
      await codesOf([], { do: 'truth', file: join(folder, 'truth.csv') }),
      await codesOf(['--bind', '192.0.2.1'], street),
      await codesOf([], street, { do: 'truth', file: join(folder, 'none', 'truth.csv') }),
    ];
    const source = await readFile(new URL('../src/errors.ts', import.meta.url), 'utf8');
    const codes = [...source.matchAll(/^ {2}\| '([a-z-]+)'/gm)].map((match) => match[1]);
    expect(produced).toEqual(codes);
  });
});
