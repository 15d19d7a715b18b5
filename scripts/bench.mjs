/** `npm run bench`: brings the clone to where it can run, builds the bench, and measures. Options: `npm run bench -- --help`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, root } from './prepare.mjs';

ensureBuilt();
const node = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
const built = node(join('node_modules', 'typescript', 'bin', 'tsc'), '-b', join('tests', 'bench'));
if (built.status !== 0) process.exit(built.status ?? 1);
const { status, signal } = node(join('tests', 'bench', 'dist', 'main.js'), ...process.argv.slice(2));
if (signal) process.stderr.write(`bench: ended by ${signal}\n`);
process.exit(status ?? 1);
