#!/usr/bin/env node
// Committed, not built: npm links a workspace's command only if the file is there at install.
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.js', import.meta.url);
if (!existsSync(built)) {
  process.stderr.write('commonwatt-sim: not built yet; run `npm run build` in the root of the repository.\n');
  process.exit(1);
}
const { main } = await import(built.href);
process.exitCode = await main(process.argv.slice(2));
