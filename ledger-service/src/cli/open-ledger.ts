import { openSqliteStore, type SqliteStore } from '../adapters/store/sqlite-store.js';
import { nodeCrypto } from '../adapters/system/node-crypto.js';
import { Ledger } from '../usecases/ledger.js';
import type { Clock, Crypto } from '../usecases/ports.js';
import type { DataFolder } from './data-folder.js';

/** A ledger on the files of a data folder. */
export interface OpenLedger {
  readonly ledger: Ledger;
  readonly store: SqliteStore;
  readonly crypto: Crypto;
  close(): Promise<void>;
}

/** Throws LedgerError 'store' when the database cannot be opened. */
export function openLedger(folder: DataFolder, clock: Clock): OpenLedger {
  folder.create();
  const store = openSqliteStore({ file: folder.ledgerFile });
  const crypto = nodeCrypto();
  const ledger = new Ledger({ store, clock, crypto, keysOf: folder.keyring() });
  return { ledger, store, crypto, close: () => store.close() };
}
