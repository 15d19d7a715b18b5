import Database from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';

/** Before this version two connections could damage a database in WAL mode (SQLite 3.7.0 to 3.51.2). */
export const MIN_SQLITE_VERSION = '3.51.3';

/** A connection to a file that is there. Throws 'store' when the native module does not load or its SQLite is too old. */
export function connect(name: string, options: { readonly?: boolean; timeout?: number }): Database.Database {
  const db = construct(name, options);
  try {
    checkSqliteVersion(db.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function construct(name: string, options: { readonly?: boolean; timeout?: number }): Database.Database {
  try {
    return new Database(name, { ...options, fileMustExist: true });
  } catch (error) {
    if (error instanceof Database.SqliteError) throw error;
    throw new LedgerError('store', 'the SQLite module does not load: run npm rebuild better-sqlite3', { cause: error });
  }
}

/** Throws 'store' unless `version` is at least MIN_SQLITE_VERSION. */
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
