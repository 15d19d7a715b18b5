import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import Database from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';
import { guarded } from './sqlite-errors.js';
import { checkIdentity, createSchema, isBlank, readIdentity } from './sqlite-schema.js';

export interface SqliteStoreOptions {
  /** Path of the database; made, readable by its owner only, when it is not there. */
  readonly file: string;
  /** The database may not grow beyond this; a commit that would is refused with 'store'. No limit when absent. */
  readonly maxBytes?: number;
  /** How long to wait for a process that is just ending. Default 1,000 ms. */
  readonly lockWaitMs?: number;
}

/** Before this version two connections could damage a database in WAL mode (SQLite 3.7.0 to 3.51.2). */
export const MIN_SQLITE_VERSION = '3.51.3';

const DEFAULT_LOCK_WAIT_MS = 1000;
const CACHE_KIB = 64 * 1024;
/** Pages in the write-ahead file before it is folded into the database: 16 MiB. */
const CHECKPOINT_PAGES = 2000;
const MAX_IDLE_WAL_BYTES = 64 * 1024 * 1024;

/**
 * Opens the file for this process alone, makes the tables of a new one, and sets it so that a commit that returned
 * survives a power cut. Throws LedgerError 'store' saying what to do.
 */
export function openSqliteFile(options: SqliteStoreOptions): Database.Database {
  const file = resolve(options.file);
  createPrivately(file);
  const db = connect(file, options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS);
  try {
    guarded(file, 'open', () => prepare(db, file, options.maxBytes));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepare(db: Database.Database, file: string, maxBytes: number | undefined): void {
  checkSqliteVersion(db.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '');
  // The first read takes the lock and keeps it: from here on no other process can open the store.
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('synchronous = FULL');
  const identity = readIdentity(db);
  if (isBlank(identity)) createSchema(db);
  else checkIdentity(file, identity);
  if (db.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
    throw new LedgerError('store', `${file}: the file system does not allow a write-ahead file; choose a local disk`);
  }
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.pragma(`journal_size_limit = ${MAX_IDLE_WAL_BYTES}`);
  if (maxBytes !== undefined) limitSize(db, maxBytes);
}

function limitSize(db: Database.Database, maxBytes: number): void {
  const pageBytes = db.pragma('page_size', { simple: true }) as number;
  db.pragma(`max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
}

/** Throws 'store' unless `version` is at least MIN_SQLITE_VERSION. Exported for tests. */
export function checkSqliteVersion(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [i, least] of MIN_SQLITE_VERSION.split('.').map(Number).entries()) {
    const part = parts[i] ?? 0;
    if (part > least) return;
    if (!(part >= least)) {
      throw new LedgerError(
        'store',
        `SQLite ${version} can damage a store: expected ${MIN_SQLITE_VERSION} or newer; install better-sqlite3 12`,
      );
    }
  }
}

/** Privacy keys and load curves lie in the file: only its owner may read it. SQLite gives its side files the same mode. */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // An existing file is never opened here: closing it would drop the lock another connection of this process holds.
    if (code === 'EEXIST') return;
    throw new LedgerError(
      'store',
      `${file}: cannot be made (${code}): check that its folder exists and may be written`,
      {
        cause: error,
      },
    );
  }
}

function connect(file: string, timeout: number): Database.Database {
  try {
    return guarded(file, 'open', () => new Database(file, { timeout, fileMustExist: true }));
  } catch (error) {
    if (error instanceof LedgerError) throw error;
    throw new LedgerError('store', 'the SQLite module does not load: run npm rebuild better-sqlite3', { cause: error });
  }
}
