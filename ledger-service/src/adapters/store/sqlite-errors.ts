import Database from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';

/** SQLite's primary result codes and what a person can do about each. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['BUSY', 'it is in use: one process at a time may have a store open; stop the other, or ask it over REST'],
  ['LOCKED', 'it is in use: one process at a time may have a store open; stop the other, or ask it over REST'],
  ['FULL', 'the disk or the size limit is full: make room and try again, nothing was half written'],
  [
    'READONLY',
    'it cannot be written: check owner and mode of the file and of its folder, and that the disk is not mounted read-only',
  ],
  ['PERM', 'it may not be used: check owner and mode of the file and of its folder'],
  [
    'CANTOPEN',
    'it cannot be opened: check that its folder exists, that it is a file this user may read and write, and that the disk is not mounted read-only',
  ],
  ['IOERR', 'reading or writing failed: check the disk, and that it has room; nothing was half written'],
  ['CORRUPT', 'it is damaged: keep a copy, then restore a backup'],
  ['NOTADB', 'it is not a store: this is some other file, or its first page is damaged'],
  ['NOMEM', 'memory ran out'],
]);

/**
 * What SQLite threw, as LedgerError 'store' with the cause kept. Errors of our own pass unchanged, and so does anything
 * that is neither SQLite's nor the system's: that is a defect of this code and must not look like one of the disk.
 */
export function toStoreError(file: string, action: string, error: unknown): unknown {
  if (isSystemError(error)) {
    return new LedgerError('store', `${file}: cannot ${action} the store (${error.code})`, { cause: error });
  }
  if (!(error instanceof Database.SqliteError)) return error;
  const [primary = ''] = error.code.replace(/^SQLITE_/, '').split('_');
  const remedy = REMEDIES.get(primary) ?? error.message;
  return new LedgerError('store', `${file}: cannot ${action} the store (${error.code}): ${remedy}`, { cause: error });
}

/** SQLite met bytes that cannot be a database's. */
export function isDamage(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** Runs `work`; what SQLite throws comes out as LedgerError 'store'. */
export function guarded<T>(file: string, action: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toStoreError(file, action, error);
  }
}
