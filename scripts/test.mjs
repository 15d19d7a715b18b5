/** `npm test`: installs and builds what is missing, then types, lint and every test. Stops at the first that fails. */
import { spawnSync } from 'node:child_process';
import { ensureBuilt, root } from './prepare.mjs';

const STEPS = [
  ['types of the packages and of the tests', ['npx', 'tsc', '-p', 'tests/tsconfig.json', '--noEmit']],
  ['format and lint', ['npx', 'biome', 'check', '.']],
  ['tests', ['npx', 'vitest', 'run', ...process.argv.slice(2)]],
];

ensureBuilt();
for (const [title, [command, ...args]] of STEPS) {
  process.stdout.write(`\n== ${title}\n`);
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`\nnpm test: ${title} failed${signal ? ` (${signal})` : ''}\n`);
    process.exit(status ?? 1);
  }
}
