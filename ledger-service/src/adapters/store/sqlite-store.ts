import type { Database } from 'better-sqlite3';
import { LedgerError } from '../../core/errors.js';
import { PROJECTION_TABLES, type RowValue, type TableName } from '../../core/rows.js';
import type { CommitBatch, LedgerStore, RowAddress, RowWrite, ScanRange } from '../../usecases/ports.js';
import { DumpHash } from './dump-hash.js';
import { guarded, isDamage } from './sqlite-errors.js';
import { openSqliteFile, type SqliteFile, type SqliteStoreOptions } from './sqlite-file.js';
import { SqliteStatements } from './sqlite-statements.js';
import {
  checkAddress,
  checkBatch,
  checkKey,
  checkScan,
  checkTable,
  checkUnchanged,
  isWriteOnce,
} from './store-rules.js';

/** Throws LedgerError 'store' when the file is in use, foreign, damaged, newer than this code, or cannot be written. */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  return new SqliteStore(openSqliteFile(options));
}

/**
 * The store in one SQLite file, for one process at a time (ARCHITECTURE, the store). The work is done before a method
 * returns its promise, so two calls never interleave.
 */
export class SqliteStore implements LedgerStore {
  readonly file: string;
  readonly #open: SqliteFile;
  readonly #db: Database;
  readonly #statements: SqliteStatements;

  constructor(open: SqliteFile) {
    this.file = open.file;
    this.#open = open;
    this.#db = open.db;
    this.#statements = new SqliteStatements(open.db);
  }

  async communities(): Promise<readonly string[]> {
    return this.#run('read', () => this.#statements.communities.all());
  }

  async size(community: string): Promise<number> {
    return this.#run('read', () => this.#sizeOf(community));
  }

  async read(community: string, addresses: readonly RowAddress[]): Promise<readonly (RowValue | undefined)[]> {
    for (const address of addresses) checkAddress(address);
    return this.#run('read', () => addresses.map((address) => this.#valueAt(community, address)));
  }

  async scan(
    community: string,
    table: TableName,
    range: ScanRange,
  ): Promise<readonly { key: string; value: RowValue }[]> {
    checkScan(table, range);
    const { from = '', to, limit, reverse = false } = range;
    return this.#run('read', () => {
      const rows =
        to === undefined
          ? this.#statements.of(reverse ? 'down' : 'up', table).all(community, from, limit)
          : this.#statements.of(reverse ? 'downTo' : 'upTo', table).all(community, from, to, limit);
      return rows.map(({ key, value }) => ({ key, value: plainValue(value) }));
    });
  }

  async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    checkKey('community', community);
    checkBatch(batch);
    return this.#run('write', () => this.#inTransaction(() => this.#apply(community, batch)));
  }

  async dropProjections(community: string): Promise<void> {
    this.#run('write', () =>
      this.#inTransaction(() => {
        for (const table of PROJECTION_TABLES) this.#statements.of('drop', table).run(community);
        this.#statements.countCommit.run();
      }),
    );
  }

  async dumpHash(community: string, table: TableName): Promise<string> {
    checkTable(table);
    return this.#run('read', () => {
      const dump = new DumpHash();
      for (const { key, value } of this.#statements.of('dump', table).iterate(community)) dump.add(key, value);
      return dump.digest();
    });
  }

  /** Reads the whole file and says what is wrong with it, at most 20 findings; none: it is sound. Costs with its size. */
  async checkIntegrity(): Promise<readonly string[]> {
    try {
      const findings = this.#run('check', () => this.#db.pragma('quick_check(20)')) as { quick_check: string }[];
      return findings.map((finding) => finding.quick_check).filter((text) => text !== 'ok');
    } catch (error) {
      // A page that misleads the check itself ends it: that is a finding, too.
      if (error instanceof LedgerError && isDamage(error.cause)) return [error.message];
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#open.close();
  }

  #apply(community: string, batch: CommitBatch): 'applied' | 'conflict' {
    if (this.#sizeOf(community) !== batch.expectedSize) return 'conflict';
    for (const write of batch.writes) this.#write(community, write);
    this.#statements.putSize.run(community, batch.newSize);
    this.#statements.countCommit.run();
    return 'applied';
  }

  #write(community: string, write: RowWrite): void {
    const { table, key, value } = write;
    if (value === undefined) {
      this.#statements.of('delete', table).run(community, key);
    } else if (!isWriteOnce(table)) {
      this.#statements.of('put', table).run(community, key, value);
    } else if (this.#statements.of('add', table).run(community, key, value).changes === 0) {
      checkUnchanged(write, this.#valueAt(community, write), value);
    }
  }

  #sizeOf(community: string): number {
    return this.#statements.getSize.get(community) ?? 0;
  }

  #valueAt(community: string, { table, key }: RowAddress): RowValue | undefined {
    const value = this.#statements.value(table).get(community, key);
    return value === undefined ? undefined : plainValue(value);
  }

  #run<T>(action: string, work: () => T): T {
    if (!this.#db.open) throw new LedgerError('store', `${this.file}: the store is closed`);
    return guarded(this.file, action, work);
  }

  /** All of it is durable when this returns; when it throws, nothing of it is there. */
  #inTransaction<T>(work: () => T): T {
    if (this.#db.inTransaction) this.#statements.rollback.run();
    this.#open.run.foldWhenLong();
    this.#statements.begin.run();
    try {
      const result = work();
      this.#statements.commit.run();
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  // SQLite has rolled back by itself after some failures. What the rollback says is of no use beside the first error.
  #rollBack(): void {
    if (!this.#db.inTransaction) return;
    try {
      this.#statements.rollback.run();
    } catch {
      // It is tried again before the next transaction, and done by SQLite when the file is next opened.
    }
  }
}

/** A plain Uint8Array over the same bytes: callers compare and keep values without knowing of Buffer. */
function plainValue(value: string | Buffer): RowValue {
  return typeof value === 'string' ? value : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
