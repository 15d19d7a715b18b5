#!/usr/bin/env node
import { existsSync } from 'node:fs';

const entry = new URL('../dist/main.js', import.meta.url);
if (existsSync(entry)) {
  const { main } = await import(entry.href);
  await main();
} else {
  process.stderr.write(
    'commonwatt-gateway is not built yet: run npm ci && npm run build in the root of the repository\n',
  );
  process.exitCode = 1;
}
