/** The same street gives the same answers over every store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSqliteStore } from '../src/adapters/store/sqlite-store.js';
import { httpService } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const HOMES = ['h1', 'h2', 'h3', 'h4'];
const C = '/v1/communities/sunny';
/** All but the leaves and proofs of the log: their salts come from keys that each ledger draws for itself. */
const URLS = [
  '/health',
  '/v1/communities',
  C,
  `${C}/members?limit=2&after=m-h1`,
  `${C}/homes`,
  `${C}/meters?limit=3`,
  `${C}/gateways`,
  `${C}/rules`,
  `${C}/balances`,
  `${C}/balances?asOf=${START_S + INTERVAL_S}`,
  `${C}/balances?knownAt=20`,
  `${C}/members/m-h1/statement`,
  `${C}/intervals?limit=2`,
  `${C}/intervals/${START_S}`,
  `${C}/settlements/${START_S}`,
  `${C}/members/m-h9`,
  `${C}/log/entries/0`,
];

const folder = mkdtempSync(join(tmpdir(), 'commonwatt-http-'));
const sqlite = openSqliteStore({ file: join(folder, 'ledger.db') });
let streets: LedgerStreet[] = [];

beforeAll(async () => {
  streets = [await LedgerStreet.build({ homes: HOMES }), await LedgerStreet.build({ homes: HOMES, store: sqlite })];
  for (const street of streets) {
    for (let n = 0; n <= 3; n++) await street.edge(START_S + n * INTERVAL_S, countersAt(HOMES, n));
  }
});

afterAll(async () => {
  await sqlite.close();
  rmSync(folder, { recursive: true });
});

it('in memory and in SQLite', async () => {
  const [memory, file] = streets.map((street) => httpService(street));
  for (const url of URLS) {
    const expected = await memory!.app.inject(url);
    const got = await file!.app.inject(url);
    expect([got.statusCode, got.body], url).toEqual([expected.statusCode, expected.body]);
  }
  for (let index = 0; index < 20; index++) {
    expect((await file!.app.inject(`${C}/log/entries/${index}/proof`)).statusCode).toBe(200);
  }
  await memory!.app.close();
  await file!.app.close();
});
