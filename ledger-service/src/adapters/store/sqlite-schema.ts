import type { Database } from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';
import { ALL_TABLES, indexKey, type TableName } from '../../core/rows.js';
import { createState } from './sqlite-run.js';

/** 'CwLd', in the header of every store (SQLite file format 1.3.15). */
export const APPLICATION_ID = 0x43774c64;
export const SCHEMA_VERSION = 2;

/** Tables that a schema brought: an older store gets them when it is opened. */
const TABLES_SINCE: Readonly<Record<number, readonly TableName[]>> = { 2: ['idempotency'] };

/** Measured: rows of 40 to 1,500 bytes cost a quarter less CPU and a tenth fewer bytes in pages of 8 KiB than of 4. */
const PAGE_BYTES = 8192;

/**
 * Tables whose values are long and are written again and again: measured faster by a third as a rowid table beside an
 * index. All others keep their rows inside the index of their keys.
 */
const REWRITTEN_TABLES: ReadonlySet<TableName> = new Set<TableName>(['readings', 'tile']);

export interface StoreIdentity {
  readonly applicationId: number;
  readonly schemaVersion: number;
  readonly tableCount: number;
}

export function readIdentity(db: Database): StoreIdentity {
  return {
    applicationId: db.pragma('application_id', { simple: true }) as number,
    schemaVersion: db.pragma('user_version', { simple: true }) as number,
    tableCount: db.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get() ?? 0,
  };
}

/** A file in which nothing was ever made. */
export function isBlank(identity: StoreIdentity): boolean {
  return identity.applicationId === 0 && identity.schemaVersion === 0 && identity.tableCount === 0;
}

/** Throws 'store' for another application's database and for a schema this code does not know. */
export function checkIdentity(file: string, { applicationId, schemaVersion }: StoreIdentity): void {
  if (applicationId !== APPLICATION_ID) {
    throw new LedgerError(
      'store',
      `${file}: this database belongs to another application (id ${applicationId}, expected ${APPLICATION_ID}); choose another file`,
    );
  }
  if (schemaVersion > SCHEMA_VERSION) {
    throw new LedgerError(
      'store',
      `${file}: made by a newer version (schema ${schemaVersion}, this one knows up to ${SCHEMA_VERSION}); update this program`,
    );
  }
  if (schemaVersion < 1) {
    throw new LedgerError(
      'store',
      `${file}: expected schema ${SCHEMA_VERSION}, got ${schemaVersion}; the store is damaged`,
    );
  }
}

/** Makes all tables in one transaction: a store is whole or blank. */
export function createSchema(db: Database): void {
  db.pragma(`page_size = ${PAGE_BYTES}`);
  db.transaction(() => {
    createState(db);
    db.exec('CREATE TABLE log_size (community TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID');
    for (const table of ALL_TABLES) db.exec(createTableSql(table));
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
}

/**
 * Brings an older store up to date in one transaction, so that it is the old one or the new one. To be called once the run
 * has its name (sqlite-run.ts), since each transaction of the write-ahead file has to carry it.
 */
export function upgradeSchema(db: Database): void {
  const { schemaVersion } = readIdentity(db);
  if (schemaVersion >= SCHEMA_VERSION) return;
  db.transaction(() => {
    for (let version = schemaVersion + 1; version <= SCHEMA_VERSION; version++) {
      for (const table of TABLES_SINCE[version] ?? []) db.exec(createTableSql(table));
    }
    db.exec('UPDATE store_state SET commits = commits + 1');
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
}

/** `value` has no type, so text stays text and bytes stay bytes; text compares as its UTF-8 bytes (BINARY). */
function createTableSql(table: TableName): string {
  const rowid = REWRITTEN_TABLES.has(table) ? '' : ' WITHOUT ROWID';
  return `CREATE TABLE "${table}" (community TEXT NOT NULL, key TEXT NOT NULL, value NOT NULL, PRIMARY KEY (community, key))${rowid}`;
}

/** Throws 'store' unless each log ends where its size says. The whole file is read by `checkIntegrity` only. */
export function checkHeads(db: Database, file: string): void {
  const newest = db.prepare<[string], string>('SELECT max(key) FROM leaf WHERE community = ?').pluck();
  const heads = db.prepare<[], { community: string; size: number }>('SELECT community, size FROM log_size').all();
  for (const { community, size } of heads) {
    const expected = size === 0 ? null : indexKey(size - 1);
    const got = newest.get(community) ?? null;
    if (got !== expected) {
      throw new LedgerError(
        'store',
        `${file} is damaged: the newest leaf of ${community} is ${got}, expected ${expected}; restore a backup`,
      );
    }
  }
}
