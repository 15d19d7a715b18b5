import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { describeStore } from '../../tests/contracts/store-contract.js';
import { openSqliteStore } from '../src/adapters/store/sqlite-store.js';

const folder = mkdtempSync(join(tmpdir(), 'commonwatt-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
describeStore('SQLite', () => openSqliteStore({ file: join(folder, `${count++}.db`) }));
