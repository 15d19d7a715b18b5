/**
 * A run is one opening of a store. Two marks let the next run notice a write-ahead file that is missing, stale or
 * another's before it does harm, since a ledger that goes on from an older state would sign a second history:
 * - `run`, a random name, stands in the database and in every transaction of the write-ahead file;
 * - `wal_needed` is 1 in the database alone and 0 at the end of its write-ahead file. Whenever SQLite folds the file in
 *   and deletes it (at any orderly end of the process), the 0 goes with it; a 1 without the file means that it is lost.
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Database, Statement } from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';
import { judgeWal, RUN_BYTES, readRuns } from './sqlite-wal.js';

/** Pages in the write-ahead file before it is folded into the database: 16 MiB. */
const FOLD_PAGES = 2000;

export type WalPresence = 'absent' | 'present';

/** The row every transaction writes. Made before any other table, so that it has page STATE_PAGE. */
export function createState(db: Database): void {
  db.exec(`CREATE TABLE store_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    wal_needed INTEGER NOT NULL,
    run BLOB NOT NULL,
    run_before BLOB,
    commits INTEGER NOT NULL
  )`);
  db.prepare('INSERT INTO store_state VALUES (1, 0, ?, NULL, 0)').run(randomBytes(RUN_BYTES));
}

/**
 * To be called before the store is opened, while this process has no connection to it. Throws 'store' when the
 * write-ahead file beside the database is not its own.
 */
export function checkWalBeforeOpening(file: string): WalPresence {
  const walFile = `${file}-wal`;
  const size = statSync(walFile, { throwIfNoEntry: false })?.size;
  if (size === undefined) return 'absent';
  // Twice, because another process may be in the middle of opening the store: then the second look is right.
  if (size > 0 && isForeign(file, walFile) && isForeign(file, walFile)) {
    throw new LedgerError(
      'store',
      `${walFile} belongs to another database or another time than ${file}: put back the two files of one moment, or the database alone if it was stopped in order`,
    );
  }
  return 'present';
}

function isForeign(file: string, walFile: string): boolean {
  const runs = readRuns(file);
  return runs !== 'unknown' && judgeWal(walFile, runs) === 'foreign';
}

export class SqliteRun {
  readonly #db: Database;
  readonly #walPages: Statement<[], { log: number }>;
  /** The write-ahead file ends with `wal_needed` 0. */
  #isMarked = false;

  /** Names this run, in the database itself. Throws 'store' when the run before lost its write-ahead file. */
  constructor(db: Database, file: string, wal: WalPresence) {
    if (wal === 'absent' && db.prepare('SELECT wal_needed FROM store_state').pluck().get() !== 0) {
      throw new LedgerError(
        'store',
        `${file} was not closed in order and ${file}-wal, with its newest commits, is missing: put it back, or restore a backup`,
      );
    }
    this.#db = db;
    this.#walPages = db.prepare('PRAGMA wal_checkpoint(NOOP)');
    db.pragma('wal_autocheckpoint = 0');
    // A crash at any point leaves a database and a write-ahead file with a name in common: first the files start anew under
    // the old name, then the new one is written beside it, then the old one goes.
    this.#fold();
    db.prepare('UPDATE store_state SET run_before = run, run = ?').run(randomBytes(RUN_BYTES));
    this.#fold();
  }

  /** To be called before a commit: keeps the write-ahead file short. When it throws, nothing of the commit was done. */
  foldWhenLong(): void {
    if (!this.#isMarked || (this.#walPages.get()?.log ?? 0) >= FOLD_PAGES) this.#fold();
  }

  end(): void {
    if (!this.#isMarked) this.#mark();
  }

  #fold(): void {
    this.#isMarked = false;
    this.#db.exec('UPDATE store_state SET wal_needed = 1');
    try {
      this.#db.pragma('wal_checkpoint(RESTART)');
    } finally {
      this.#mark();
    }
  }

  #mark(): void {
    this.#db.exec('UPDATE store_state SET wal_needed = 0, run_before = NULL');
    this.#isMarked = true;
  }
}
