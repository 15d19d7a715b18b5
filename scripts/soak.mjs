/** `npm run soak`: brings the clone to where it can run, builds the soak, and soaks. Options: `npm run soak -- --help`. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, root } from './prepare.mjs';

ensureBuilt();
const tsc = [join('node_modules', 'typescript', 'bin', 'tsc'), '-b', join('tests', 'soak')];
const built = spawnSync(process.execPath, tsc, { cwd: root, stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);
const main = join('tests', 'soak', 'dist', 'tests', 'soak', 'main.js');
const soak = spawn(process.execPath, [main, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
// A signal goes on to the soak, which ends what it started; its own end is then ours.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => soak.kill(signal));
soak.on('exit', (status, signal) => {
  if (signal) process.stderr.write(`soak: ended by ${signal}\n`);
  process.exit(status ?? 1);
});
