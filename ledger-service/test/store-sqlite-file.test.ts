import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, it } from 'vitest';
import { leaves, put } from '../../tests/contracts/store-contract.js';
import { checkSqliteVersion } from '../src/adapters/store/sqlite-connect.js';
import { APPLICATION_ID, SCHEMA_VERSION } from '../src/adapters/store/sqlite-schema.js';
import { openSqliteStore, type SqliteStore } from '../src/adapters/store/sqlite-store.js';
import { LedgerError } from '../src/core/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'commonwatt-file-'));
chmodSync(folder, 0o755);
const mounted: string[] = [];
afterAll(() => {
  for (const mount of mounted) execFileSync('umount', ['-l', mount]);
  rmSync(folder, { recursive: true, force: true });
});

const canBeOther = tryAsOther();

let count = 0;
const newFile = (): string => join(folder, `${count++}.db`);

async function storeWith(file: string, size: number): Promise<SqliteStore> {
  const store = openSqliteStore({ file });
  expect(await store.commit('c', { expectedSize: 0, newSize: size, writes: leaves(0, size) })).toBe('applied');
  return store;
}

/** Opening must be refused as LedgerError 'store'; gives the sentence. */
function refusal(file: string): string {
  try {
    openSqliteStore({ file, lockWaitMs: 0 });
  } catch (error) {
    expect(error).toBeInstanceOf(LedgerError);
    expect((error as LedgerError).code).toBe('store');
    return (error as LedgerError).message;
  }
  throw new Error(`${file} was opened`);
}

describe('a SQLite store', () => {
  it('of an older schema is brought up to date when it is opened, and keeps all it has', async () => {
    const file = newFile();
    await (await storeWith(file, 3)).close();
    const old = new Database(file);
    old.exec('DROP TABLE idempotency');
    old.pragma('user_version = 1');
    old.close();
    for (let opening = 0; opening < 2; opening++) {
      const store = openSqliteStore({ file });
      expect(await store.scan('c', 'leaf', { limit: 10 })).toHaveLength(3);
      const batch = { expectedSize: 3, newSize: 3, writes: [put('idempotency', `${opening}`, 'kept')] };
      expect(await store.commit('c', batch)).toBe('applied');
      await store.close();
    }
    const upgraded = openSqliteStore({ file });
    expect(await upgraded.scan('c', 'idempotency', { limit: 10 })).toHaveLength(2);
    await upgraded.close();
  });

  it('is a file for its owner alone, its side file too', async () => {
    const file = newFile();
    const store = await storeWith(file, 3);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(`${file}-wal`).mode & 0o777).toBe(0o600);
    await store.close();
  });

  it('keeps everything from one opening to the next and leaves one file', async () => {
    const file = newFile();
    await (await storeWith(file, 300)).close();
    expect(statSync(`${file}-wal`, { throwIfNoEntry: false })).toBeUndefined();
    const store = openSqliteStore({ file });
    expect(await store.size('c')).toBe(300);
    expect(await store.scan('c', 'leaf', { limit: 10_000 })).toHaveLength(300);
    expect(await store.checkIntegrity()).toEqual([]);
    await store.close();
  });

  it('is made from an empty file', async () => {
    const file = newFile();
    writeFileSync(file, '');
    await (await storeWith(file, 1)).close();
  });

  it('keeps nothing of what was deleted in the file', async () => {
    const file = newFile();
    const store = openSqliteStore({ file });
    const secret = 'the kettle boiled at seven';
    const opening = put('opening', 'k', secret.repeat(200));
    await store.commit('c', { expectedSize: 0, newSize: 0, writes: [opening, put('privacy_key', 'm', secret)] });
    await store.commit('c', {
      expectedSize: 0,
      newSize: 0,
      writes: [
        { table: 'opening', key: 'k', value: undefined },
        { table: 'privacy_key', key: 'm', value: undefined },
      ],
    });
    await store.close();
    expect(readFileSync(file).includes(secret)).toBe(false);
  });
});

describe('opening refuses', () => {
  it('a file that is no database', () => {
    const file = newFile();
    writeFileSync(file, 'household,import,export\n'.repeat(1000));
    expect(refusal(file)).toMatch(/it is not a store: this is some other file/);
  });

  it('a folder, and a folder that is not there', () => {
    expect(refusal(folder)).toMatch(/cannot be opened/);
    expect(refusal(join(folder, 'nowhere', 'x.db'))).toMatch(/check that its folder exists/);
  });

  it('the database of another application, and leaves it as it is', () => {
    for (const id of [0, 42]) {
      const file = newFile();
      const other = new Database(file);
      other.exec('CREATE TABLE readings (id INTEGER PRIMARY KEY)');
      other.pragma(`application_id = ${id}`);
      other.close();
      expect(refusal(file)).toMatch(/belongs to another application/);
      const again = new Database(file);
      expect(again.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()).toBe(1);
      expect(again.pragma('journal_mode', { simple: true })).toBe('delete');
      again.close();
    }
  });

  it('the schema of a newer version, and one that never was', async () => {
    for (const [version, sentence] of [
      [SCHEMA_VERSION + 1, /made by a newer version .*schema 3.* update this program/],
      [0, /expected schema 2, got 0/],
    ] as const) {
      const file = newFile();
      await (await storeWith(file, 1)).close();
      const db = new Database(file);
      expect(db.pragma('application_id', { simple: true })).toBe(APPLICATION_ID);
      db.pragma(`user_version = ${version}`);
      db.close();
      expect(refusal(file)).toMatch(sentence);
    }
  });

  it('a file that was cut short or whose first page is damaged', async () => {
    for (const damage of [
      (file: string) => truncateSync(file, 8192 * 3 + 100),
      (file: string) => truncateSync(file, 50),
      (file: string) => overwrite(file, 0, 100),
      (file: string) => overwrite(file, 100, 3000),
    ]) {
      const file = newFile();
      await (await storeWith(file, 2000)).close();
      damage(file);
      expect(refusal(file)).toMatch(/damaged|not a store|another application/);
    }
  });

  it('a log that does not end where its size says', async () => {
    for (const sql of [
      `DELETE FROM leaf WHERE key = '000000000002'`,
      `UPDATE log_size SET size = 2`,
      'DELETE FROM leaf',
    ]) {
      const file = newFile();
      await (await storeWith(file, 3)).close();
      const db = new Database(file);
      db.exec(sql);
      db.close();
      expect(refusal(file)).toMatch(/damaged: the newest leaf of c is/);
    }
  });

  it.each(['3.51.2', '3.51', '3.7.0', '2.99.99', '', 'what'])('SQLite %s', (version) => {
    expect(() => checkSqliteVersion(version)).toThrow(/expected 3.51.3 or newer/);
  });

  it.each(['3.51.3', '3.51.10', '3.52.0', '4.0.0', '3.53.2'])('but not SQLite %s', (version) => {
    expect(() => checkSqliteVersion(version)).not.toThrow();
  });
});

function overwrite(file: string, at: number, length: number): void {
  const handle = openSync(file, 'r+');
  writeSync(handle, Buffer.alloc(length, 0xa5), 0, length, at);
  closeSync(handle);
}

describe('a medium that fails', () => {
  it('a damaged page is found by the check of the whole file, and is no answer', async () => {
    const file = newFile();
    await (await storeWith(file, 20_000)).close();
    overwrite(file, 8192 * 40, 8192 * 2);
    const store = openSqliteStore({ file });
    expect((await store.checkIntegrity()).length).toBeGreaterThan(0);
    await expect(store.dumpHash('c', 'leaf')).rejects.toMatchObject({
      code: 'store',
      message: expect.stringMatching(/damaged/),
    });
    await store.close();
  });

  it('a full database refuses the commit whole, keeps the cause, and goes on with what fits', async () => {
    const file = newFile();
    const store = openSqliteStore({ file, maxBytes: 1_000_000 });
    await store.commit('c', { expectedSize: 0, newSize: 10, writes: leaves(0, 10) });
    const before = await store.dumpHash('c', 'leaf');
    const writes = [...leaves(10, 20), put('opening', 'large', new Uint8Array(2_000_000))];
    const failed = store.commit('c', { expectedSize: 10, newSize: 20, writes });
    await expect(failed).rejects.toMatchObject({
      code: 'store',
      message: expect.stringMatching(/SQLITE_FULL.*full: make room/),
    });
    await expect(failed).rejects.toHaveProperty('cause.code', 'SQLITE_FULL');
    expect(await store.size('c')).toBe(10);
    expect(await store.dumpHash('c', 'leaf')).toBe(before);
    expect(await store.commit('c', { expectedSize: 10, newSize: 20, writes: leaves(10, 20) })).toBe('applied');
    await store.close();
    const again = openSqliteStore({ file });
    expect(await again.size('c')).toBe(20);
    await again.close();
  });

  const disk = smallDisk();
  it.skipIf(disk === undefined)(
    'a full disk likewise, until there is room again (skipped where tmpfs cannot be mounted)',
    async () => {
      const file = join(disk!, 'full.db');
      const store = openSqliteStore({ file });
      const filler = join(disk!, 'filler');
      let size = 0;
      const grow = async (): Promise<void> => {
        const writes = [...leaves(size, size + 20), put('opening', `${size}`, new Uint8Array(40_000))];
        await store.commit('c', { expectedSize: size, newSize: size + 20, writes });
        size += 20;
      };
      await grow();
      writeFileSync(filler, Buffer.alloc(2_000_000));
      await expect(
        (async () => {
          for (;;) await grow();
        })(),
      ).rejects.toMatchObject({ code: 'store', message: expect.stringMatching(/full/) });
      expect(await store.size('c')).toBe(size);
      await expect(grow()).rejects.toMatchObject({ code: 'store' });
      rmSync(filler);
      await grow();
      expect(await store.checkIntegrity()).toEqual([]);
      await store.close();
      const again = openSqliteStore({ file });
      expect(await again.size('c')).toBe(size);
      expect(await again.scan('c', 'leaf', { limit: 10_000 })).toHaveLength(size);
      await again.close();
    },
  );

  it.skipIf(disk === undefined)(
    'a full disk at the close loses nothing (skipped where tmpfs cannot be mounted)',
    async () => {
      const file = join(disk!, 'closed.db');
      const store = openSqliteStore({ file });
      const writes = [...leaves(0, 20), put('opening', 'o', new Uint8Array(600_000))];
      await store.commit('c', { expectedSize: 0, newSize: 20, writes });
      const filler = join(disk!, 'filler');
      expect(() => writeFileSync(filler, Buffer.alloc(8_000_000))).toThrow(/ENOSPC/);
      await store.close().catch(() => {});
      expect(refusal(file)).toMatch(/full|failed/);
      rmSync(filler);
      const again = openSqliteStore({ file });
      expect(await again.size('c')).toBe(20);
      await again.close();
    },
  );

  it.skipIf(!canBeOther)(
    'a file that may not be written, and one that may not be read (skipped where root cannot step down)',
    async () => {
      const place = join(folder, 'read-only');
      mkdirSync(place);
      const file = join(place, 'x.db');
      await (await storeWith(file, 1)).close();
      chmodSync(file, 0o444);
      chmodSync(place, 0o777);
      expect(asOther(() => refusal(file))).toMatch(/cannot be written: check owner and mode/);
      chmodSync(file, 0o200);
      expect(asOther(() => refusal(file))).toMatch(/cannot be opened/);
      chmodSync(file, 0o600);
    },
  );
});

/** A disk of 4 MB of its own, or undefined where this user may not mount one. */
function smallDisk(): string | undefined {
  const place = join(folder, 'small-disk');
  mkdirSync(place);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', place], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mounted.push(place);
  return place;
}

/** The superuser may write anything: what modes forbid is tried as somebody else. */
function asOther<T>(work: () => T): T {
  if (process.getuid?.() !== 0) return work();
  process.seteuid!(65_534);
  try {
    return work();
  } finally {
    process.seteuid!(0);
  }
}

function tryAsOther(): boolean {
  try {
    asOther(() => accessSync(folder));
    return true;
  } catch {
    return false;
  }
}
