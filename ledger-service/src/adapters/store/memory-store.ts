import { LedgerError } from '../../core/errors.js';
import { PROJECTION_TABLES, type RowValue, type TableName } from '../../core/rows.js';
import type { CommitBatch, LedgerStore, RowAddress, RowWrite, ScanRange } from '../../usecases/ports.js';
import { DumpHash } from './dump-hash.js';
import { compareKeys, SortedRows } from './sorted-rows.js';
import {
  checkAddress,
  checkBatch,
  checkKey,
  checkScan,
  checkTable,
  checkUnchanged,
  isWriteOnce,
} from './store-rules.js';

interface Community {
  size: number;
  readonly tables: Map<TableName, SortedRows>;
}

/** What was there before a write, to take it back. */
interface Undo {
  readonly rows: SortedRows;
  readonly key: string;
  readonly value: RowValue | undefined;
}

/** The store's contract without a medium: for tests and for rebuilding beside a store. Gone with the process. */
export class MemoryStore implements LedgerStore {
  readonly #communities = new Map<string, Community>();
  #closed = false;

  async communities(): Promise<readonly string[]> {
    this.#checkOpen();
    return [...this.#communities.keys()].sort(compareKeys);
  }

  async size(community: string): Promise<number> {
    this.#checkOpen();
    return this.#communities.get(community)?.size ?? 0;
  }

  async read(community: string, addresses: readonly RowAddress[]): Promise<readonly (RowValue | undefined)[]> {
    this.#checkOpen();
    for (const address of addresses) checkAddress(address);
    const tables = this.#communities.get(community)?.tables;
    return addresses.map(({ table, key }) => copied(tables?.get(table)?.get(key)));
  }

  async scan(
    community: string,
    table: TableName,
    range: ScanRange,
  ): Promise<readonly { key: string; value: RowValue }[]> {
    this.#checkOpen();
    checkScan(table, range);
    const rows = this.#communities.get(community)?.tables.get(table);
    if (rows === undefined) return [];
    const keys = rows.keys(range.from, range.to);
    if (range.reverse) keys.reverse();
    return keys.slice(0, range.limit).map((key) => ({ key, value: copied(rows.get(key)!) }));
  }

  async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    this.#checkOpen();
    checkKey('community', community);
    checkBatch(batch);
    const known = this.#communities.get(community) ?? { size: 0, tables: new Map() };
    if (known.size !== batch.expectedSize) return 'conflict';
    applyAll(known, batch.writes);
    known.size = batch.newSize;
    this.#communities.set(community, known);
    return 'applied';
  }

  async dropProjections(community: string): Promise<void> {
    this.#checkOpen();
    for (const table of PROJECTION_TABLES) this.#communities.get(community)?.tables.delete(table);
  }

  async dumpHash(community: string, table: TableName): Promise<string> {
    this.#checkOpen();
    checkTable(table);
    const dump = new DumpHash();
    const rows = this.#communities.get(community)?.tables.get(table);
    for (const key of rows?.keys() ?? []) dump.add(key, rows!.get(key)!);
    return dump.digest();
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new LedgerError('store', 'the store is closed');
  }
}

/** All of the writes, in their order, or none of them. */
function applyAll(community: Community, writes: readonly RowWrite[]): void {
  const undo: Undo[] = [];
  try {
    for (const write of writes) applyOne(community, write, undo);
  } catch (error) {
    for (const { rows, key, value } of undo.reverse()) setOrDelete(rows, key, value);
    throw error;
  }
}

function applyOne(community: Community, write: RowWrite, undo: Undo[]): void {
  let rows = community.tables.get(write.table);
  if (rows === undefined) {
    rows = new SortedRows();
    community.tables.set(write.table, rows);
  }
  const before = rows.get(write.key);
  if (before !== undefined && write.value !== undefined && isWriteOnce(write.table)) {
    checkUnchanged(write, before, write.value);
    return;
  }
  undo.push({ rows, key: write.key, value: before });
  setOrDelete(rows, write.key, copied(write.value));
}

function setOrDelete(rows: SortedRows, key: string, value: RowValue | undefined): void {
  if (value === undefined) rows.delete(key);
  else rows.set(key, value);
}

/** Bytes belong to one side: nobody changes a stored row by changing an array. */
function copied<T extends RowValue | undefined>(value: T): T {
  return (value instanceof Uint8Array ? Uint8Array.from(value) : value) as T;
}
