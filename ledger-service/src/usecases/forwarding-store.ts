/** A store in front of a store: everything is handed on. For those that add something to one thing a store does. */
import type { RowValue, TableName } from '../core/rows.js';
import type { CommitBatch, LedgerStore, RowAddress, ScanRange } from './ports.js';

export class ForwardingStore implements LedgerStore {
  readonly #store: LedgerStore;

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  communities(): Promise<readonly string[]> {
    return this.#store.communities();
  }

  size(community: string): Promise<number> {
    return this.#store.size(community);
  }

  read(community: string, addresses: readonly RowAddress[]): Promise<readonly (RowValue | undefined)[]> {
    return this.#store.read(community, addresses);
  }

  scan(community: string, table: TableName, range: ScanRange): Promise<readonly { key: string; value: RowValue }[]> {
    return this.#store.scan(community, table, range);
  }

  commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    return this.#store.commit(community, batch);
  }

  dropProjections(community: string): Promise<void> {
    return this.#store.dropProjections(community);
  }

  dumpHash(community: string, table: TableName): Promise<string> {
    return this.#store.dumpHash(community, table);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
