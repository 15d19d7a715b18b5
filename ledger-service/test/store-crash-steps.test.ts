import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, it } from 'vitest';
import { leaves, put } from '../../tests/contracts/store-contract.js';
import { checkWalBeforeOpening, SqliteRun } from '../src/adapters/store/sqlite-run.js';
import { openSqliteStore } from '../src/adapters/store/sqlite-store.js';

const folder = mkdtempSync(join(tmpdir(), 'commonwatt-steps-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SIZE = 12;
let count = 0;

/** What a process leaves behind that is killed now: nothing is being written while this copies. */
function crashImage(file: string): string {
  const image = join(folder, `${count++}.db`);
  copyFileSync(file, image);
  if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${image}-wal`);
  return image;
}

async function killedStore(): Promise<string> {
  const file = join(folder, `${count++}.db`);
  const store = openSqliteStore({ file });
  const large = put('opening', 'o', new Uint8Array(50_000));
  await store.commit('c', { expectedSize: 0, newSize: SIZE, writes: [...leaves(0, SIZE), large] });
  const image = crashImage(file);
  await store.close();
  return image;
}

/** Begins and ends a run on `file`; gives a crash image after every statement that it runs. */
function imagesOfRun(file: string): string[] {
  const images: string[] = [];
  const wal = checkWalBeforeOpening(file);
  const db = new Database(file);
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('journal_mode = WAL');
  const snapshot = <T>(result: T): T => {
    images.push(crashImage(file));
    return result;
  };
  const [exec, pragma, prepare] = [db.exec.bind(db), db.pragma.bind(db), db.prepare.bind(db)];
  db.exec = (sql) => snapshot(exec(sql));
  db.pragma = (sql, options) => snapshot(pragma(sql, options));
  db.prepare = ((sql: string) => {
    const statement = prepare(sql);
    const run = statement.run.bind(statement);
    statement.run = (...values: unknown[]) => snapshot(run(...values));
    return statement;
  }) as typeof db.prepare;
  new SqliteRun(db, file, wal).end();
  db.close();
  images.push(crashImage(file));
  return images;
}

async function expectWhole(file: string): Promise<void> {
  for (let opening = 0; opening < 2; opening++) {
    const store = openSqliteStore({ file });
    expect(await store.size('c')).toBe(SIZE);
    expect(await store.scan('c', 'leaf', { limit: 100 })).toHaveLength(SIZE);
    await store.close();
  }
}

it('a crash at any step of an opening, and at any step of the opening after it, is no obstacle', {
  timeout: 60_000,
}, async () => {
  const first = imagesOfRun(await killedStore());
  expect(first.length).toBeGreaterThan(5);
  for (const image of first) {
    const second = imagesOfRun(crashImage(image));
    for (const twice of second) {
      await expectWhole(twice);
      rmSync(twice);
    }
    await expectWhole(image);
  }
});
