import { closeSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';
import { connect } from './sqlite-connect.js';
import { guarded } from './sqlite-errors.js';
import { checkWalBeforeOpening, SqliteRun } from './sqlite-run.js';
import { checkHeads, checkIdentity, createSchema, isBlank, readIdentity, upgradeSchema } from './sqlite-schema.js';

export interface SqliteStoreOptions {
  /** Path of the database; made, readable by its owner only, when it is not there. */
  readonly file: string;
  /** The database may not grow beyond this; a commit that would is refused with 'store'. No limit when absent. */
  readonly maxBytes?: number;
  /** How long to wait for a process that is just ending. Default 1,000 ms. */
  readonly lockWaitMs?: number;
}

const DEFAULT_LOCK_WAIT_MS = 1000;
const CACHE_KIB = 64 * 1024;
const MAX_IDLE_WAL_BYTES = 64 * 1024 * 1024;

/** Files this process has open, by device and inode. SQLite's lock keeps other processes out, not ourselves. */
const OPEN_FILES = new Set<string>();

/** A database that no one else can open until it is closed. */
export interface SqliteFile {
  readonly file: string;
  readonly db: Database;
  readonly run: SqliteRun;
  /** Twice is fine. */
  close(): void;
}

/**
 * Opens the file for this process alone, makes the tables of a new one, and sets it so that a commit that returned
 * survives a power cut. Throws LedgerError 'store' saying what to do.
 */
export function openSqliteFile(options: SqliteStoreOptions): SqliteFile {
  const file = resolve(options.file);
  createPrivately(file);
  const { dev, ino } = statSync(file);
  const name = `${dev}:${ino}`;
  if (OPEN_FILES.has(name)) throw new LedgerError('store', `${file}: this process has the store open already`);
  const { db, run } = guarded(file, 'open', () => openAlone(file, options));
  OPEN_FILES.add(name);
  const close = (): void => {
    if (!db.open) return;
    try {
      guarded(file, 'close', () => run.end());
    } finally {
      db.close();
      OPEN_FILES.delete(name);
    }
  };
  return { file, db, run, close };
}

function openAlone(file: string, options: SqliteStoreOptions): { db: Database; run: SqliteRun } {
  const wal = checkWalBeforeOpening(file);
  const db = connect(file, { timeout: options.lockWaitMs ?? DEFAULT_LOCK_WAIT_MS });
  try {
    lockAndIdentify(db, file);
    configure(db, file, options.maxBytes);
    const run = new SqliteRun(db, file, wal);
    checkHeads(db, file);
    upgradeSchema(db);
    return { db, run };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Nothing is written to a file before it is known to be a store. */
function lockAndIdentify(db: Database, file: string): void {
  // The first transaction takes the lock and keeps it: from here on no other process can open the store.
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('synchronous = FULL');
  db.exec('BEGIN EXCLUSIVE; COMMIT');
  const identity = readIdentity(db);
  if (isBlank(identity)) createSchema(db);
  else checkIdentity(file, identity);
}

function configure(db: Database, file: string, maxBytes: number | undefined): void {
  if (db.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
    throw new LedgerError('store', `${file}: the file system does not allow a write-ahead file; choose a local disk`);
  }
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma(`journal_size_limit = ${MAX_IDLE_WAL_BYTES}`);
  // What is deleted is overwritten: an erased person's readings must not stay in free pages.
  db.pragma('secure_delete = ON');
  if (maxBytes !== undefined) limitSize(db, maxBytes);
}

function limitSize(db: Database, maxBytes: number): void {
  const pageBytes = db.pragma('page_size', { simple: true }) as number;
  db.pragma(`max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
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
