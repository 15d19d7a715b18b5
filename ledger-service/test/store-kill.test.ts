import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openSqliteStore, type SqliteStore } from '../src/adapters/store/sqlite-store.js';
import { indexKey } from '../src/core/rows.js';
import { isBuilt, NOT_BUILT, StoreProcess } from './support/store-process.js';

const ROUNDS = 25;
const folder = mkdtempSync(join(tmpdir(), 'commonwatt-kill-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The store holds every commit up to its size and nothing of a later one. */
async function expectWhole(store: SqliteStore): Promise<number> {
  const size = await store.size('c');
  const scanned = await store.scan('c', 'leaf', { from: indexKey(Math.max(0, size - 64)), limit: 10_000 });
  expect(scanned.at(-1)?.key).toBe(indexKey(size - 1));
  for (const { key, value } of scanned) {
    expect(
      Buffer.compare(
        value as Uint8Array,
        createHash('sha256')
          .update(`leaf ${Number(key)}`)
          .digest(),
      ),
    ).toBe(0);
  }
  expect(await store.read('c', [{ table: 'community', key: '' }])).toEqual([`${size}`]);
  expect((await store.scan('c', 'opening', { from: indexKey(size), limit: 10 })).length).toBe(0);
  return size;
}

describe.skipIf(!isBuilt)(`a store whose process is killed${NOT_BUILT}`, () => {
  it(`has every commit that was said to be applied, ${ROUNDS} times over`, { timeout: 120_000 }, async () => {
    const file = join(folder, 'rounds.db');
    let before = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const child = new StoreProcess(file, 'commit');
      // The wait for a line varies the moment of the kill from right after opening to far into a run.
      await child.waitForLine('applied', 1 + ((round * 37) % 150));
      await child.kill();
      const said = Number(
        child.lines
          .filter((line) => line.startsWith('applied'))
          .at(-1)!
          .split(' ')[1],
      );
      const store = openSqliteStore({ file });
      const size = await expectWhole(store);
      expect(size).toBeGreaterThanOrEqual(said);
      expect(said).toBeGreaterThan(before);
      before = size;
      // Every other round the next process finds the dead one's files as they lay.
      if (round % 2 === 0) expect(await store.checkIntegrity()).toEqual([]);
      await store.close();
    }
  });

  it('goes on from the write-ahead file of a process that died, killed again and again', {
    timeout: 60_000,
  }, async () => {
    const file = join(folder, 'again.db');
    for (let round = 1; round <= 8; round++) {
      const child = new StoreProcess(file, 'commit');
      await child.waitForLine(round % 3 === 0 ? 'open' : 'applied');
      await child.kill();
      expect(statSync(`${file}-wal`).isFile()).toBe(true);
    }
    const store = openSqliteStore({ file });
    await expectWhole(store);
    expect(await store.checkIntegrity()).toEqual([]);
    await store.close();
  });

  it('is free for the next one at once', async () => {
    const file = join(folder, 'free.db');
    const child = new StoreProcess(file, 'hold');
    await child.waitForLine('applied', 2);
    expect(() => openSqliteStore({ file, lockWaitMs: 0 })).toThrow(/in use: one process at a time/);
    await child.kill();
    const store = openSqliteStore({ file, lockWaitMs: 0 });
    expect(await store.size('c')).toBe(16);
    await store.close();
  });

  it('refuses a second process while this one has it, also after this one has tried to open it twice', async () => {
    const file = join(folder, 'second.db');
    const store = openSqliteStore({ file });
    expect(() => openSqliteStore({ file })).toThrow(/this process has the store open already/);
    const child = new StoreProcess(file, 'hold');
    expect(await child.waitForLine('failed')).toMatch(/failed store .*in use: one process at a time/);
    await child.end();
    expect(await store.commit('c', { expectedSize: 0, newSize: 0, writes: [] })).toBe('applied');
    await store.close();
  });

  it.each(['exit', 'throw'] as const)('opens after a process that ended without closing it (%s)', async (mode) => {
    const file = join(folder, `${mode}.db`);
    const child = new StoreProcess(file, mode);
    await child.end();
    const store = openSqliteStore({ file });
    expect(await store.size('c')).toBe(16);
    await store.close();
  });

  describe('and whose files were moved about', () => {
    async function killed(name: string, commits: number): Promise<string> {
      const file = join(folder, name);
      const child = new StoreProcess(file, 'commit');
      await child.waitForLine('applied', commits);
      await child.kill();
      return file;
    }

    it('refuses to go on without its write-ahead file, and goes on when it is back', async () => {
      const file = await killed('lost.db', 3);
      copyFileSync(`${file}-wal`, `${file}-kept`);
      rmSync(`${file}-wal`);
      for (let i = 0; i < 2; i++)
        expect(() => openSqliteStore({ file })).toThrow(/with its newest commits, is missing/);
      copyFileSync(`${file}-kept`, `${file}-wal`);
      const store = openSqliteStore({ file });
      expect(await expectWhole(store)).toBeGreaterThanOrEqual(24);
      await store.close();
    });

    it('refuses to go on without it also after it was folded in many times', { timeout: 60_000 }, async () => {
      const file = await killed('folded.db', 900);
      expect(statSync(`${file}-wal`).size).toBeLessThan(24 * 1024 * 1024);
      expect(statSync(file).size).toBeGreaterThan(2 * 1024 * 1024);
      rmSync(`${file}-wal`);
      expect(() => openSqliteStore({ file })).toThrow(/with its newest commits, is missing/);
    });

    it('refuses the write-ahead file of another store', async () => {
      const [one, two] = [await killed('one.db', 3), await killed('two.db', 5)];
      copyFileSync(`${two}-wal`, `${one}-wal`);
      expect(() => openSqliteStore({ file: one })).toThrow(/belongs to another database/);
      expect(() => openSqliteStore({ file: one })).toThrow(/belongs to another database/);
    });

    it('refuses the write-ahead file of a later run beside a backup', async () => {
      const file = await killed('backup.db', 3);
      await openSqliteStore({ file }).close();
      copyFileSync(file, `${file}-backup`);
      await killed('backup.db', 3);
      copyFileSync(`${file}-backup`, file);
      expect(() => openSqliteStore({ file })).toThrow(/another time/);
      rmSync(`${file}-wal`);
      const store = openSqliteStore({ file });
      await expectWhole(store);
      await store.close();
    });

    it('refuses a write-ahead file beside a database in which nothing was made', async () => {
      const file = await killed('blank.db', 1);
      copyFileSync(`${file}-wal`, join(folder, 'fresh.db-wal'));
      expect(() => openSqliteStore({ file: join(folder, 'fresh.db') })).toThrow(/belongs to another database/);
    });
  });
});
