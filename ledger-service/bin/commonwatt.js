#!/usr/bin/env node
/** Launcher: the command is linked before there is a build (see `npm run build`). */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(fileURLToPath(main))) {
  process.stderr.write('commonwatt: not built yet: run npm ci && npm run build in the root of the project\n');
  process.exit(1);
}
const { main: run } = await import(main.href);
process.exitCode = await run(process.argv.slice(2));
