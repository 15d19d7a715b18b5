import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { compareKeys } from '../src/adapters/store/sorted-rows.js';
import { openSqliteStore } from '../src/adapters/store/sqlite-store.js';
import { LedgerError } from '../src/core/errors.js';
import { ALL_TABLES, indexKey, type RowValue, type TableName } from '../src/core/rows.js';
import type { LedgerStore, RowWrite } from '../src/usecases/ports.js';

const folder = mkdtempSync(join(tmpdir(), 'commonwatt-equal-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KEYS = ['', 'a', 'a/1', 'a0', 'a\u0000', 'é', '\uffee', '😀', indexKey(0), indexKey(1), indexKey(2)];
const COMMUNITIES = ['c', 'd', 'é'];

const key = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...KEYS) }, fc.string({ unit: 'grapheme', maxLength: 8 }));
const table = fc.constantFrom(...ALL_TABLES);
const value: fc.Arbitrary<RowValue> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.uint8Array({ maxLength: 6 }),
  fc.constantFrom('1', 'x'),
);
const rowWrite: fc.Arbitrary<RowWrite> = fc.record({
  table,
  key,
  value: fc.option(value, { nil: undefined, freq: 4 }),
});

type Action =
  | { readonly kind: 'commit'; readonly off: number; readonly leaves: number; readonly writes: readonly RowWrite[] }
  | {
      readonly kind: 'scan';
      readonly table: TableName;
      readonly from: string;
      readonly to: string;
      readonly limit: number;
    }
  | { readonly kind: 'drop' };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      off: fc.constantFrom(0, 0, 0, 0, 1, -1),
      leaves: fc.nat(3),
      writes: fc.array(rowWrite, { maxLength: 8 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      table,
      from: key,
      to: key,
      limit: fc.integer({ min: 0, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'drop' as const }) },
);

/** What a call came to, errors by their code: it must be the same in both stores. */
async function outcome<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

async function run(store: LedgerStore, community: string, act: Action): Promise<unknown> {
  if (act.kind === 'drop') return outcome(() => store.dropProjections(community));
  if (act.kind === 'scan') {
    const { from, to, limit } = act;
    return Promise.all([
      outcome(() => store.scan(community, act.table, { from, to, limit })),
      outcome(() => store.scan(community, act.table, { from, limit, reverse: true })),
      outcome(() =>
        store.read(community, [
          { table: act.table, key: from },
          { table: 'party', key: to },
        ]),
      ),
    ]);
  }
  const expectedSize = Math.max(0, (await store.size(community)) + act.off);
  const fresh = Array.from(
    { length: act.leaves },
    (_, i): RowWrite => ({ table: 'leaf', key: indexKey(expectedSize + i), value: `${i}` }),
  );
  const batch = { expectedSize, newSize: expectedSize + act.leaves, writes: [...act.writes, ...fresh] };
  return outcome(() => store.commit(community, batch));
}

async function everything(store: LedgerStore): Promise<unknown> {
  const communities = await store.communities();
  const state: unknown[] = [communities];
  for (const community of communities) {
    state.push(await store.size(community));
    for (const one of ALL_TABLES) state.push(await store.dumpHash(community, one));
  }
  return state;
}

it('memory and SQLite answer the same to any sequence of commits, scans and drops', { timeout: 120_000 }, async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...COMMUNITIES), action), { maxLength: 25 }),
      async (actions) => {
        const file = join(folder, `${count++}.db`);
        const memory = new MemoryStore();
        let sqlite = openSqliteStore({ file });
        try {
          for (const [community, act] of actions) {
            expect(await run(sqlite, community, act)).toEqual(await run(memory, community, act));
          }
          expect(await everything(sqlite)).toEqual(await everything(memory));
          await sqlite.close();
          sqlite = openSqliteStore({ file });
          expect(await everything(sqlite)).toEqual(await everything(memory));
        } finally {
          await sqlite.close();
          rmSync(file, { force: true });
        }
      },
    ),
    { numRuns: 120 },
  );
});

it('orders keys as their UTF-8 bytes', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.string({ unit: fc.constantFrom('a', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'), maxLength: 4 }),
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(Math.sign(compareKeys(a, b))).toBe(expected);
    }),
    { numRuns: 5000 },
  );
});
