import { openSqliteStore, type SqliteStore } from '../adapters/store/sqlite-store.js';
import { type CommitWatch, WatchedStore } from '../adapters/store/watched-store.js';
import { RealClock } from '../adapters/system/clock.js';
import { letOthersRun } from '../adapters/system/let-others-run.js';
import { nodeCrypto } from '../adapters/system/node-crypto.js';
import { verifyOnThreads } from '../adapters/system/verify-pool.js';
import type { Ledger } from '../usecases/ledger.js';
import type { Clock, Crypto } from '../usecases/ports.js';
import { SubmitOnce } from '../usecases/submit-once.js';
import type { DataFolder } from './data-folder.js';

/** A ledger on the files of a data folder. */
export interface OpenLedger {
  readonly ledger: Ledger;
  /** Where signed entries go in, with or without a key of the caller's. */
  readonly entries: SubmitOnce;
  readonly store: SqliteStore;
  readonly crypto: Crypto;
  close(): Promise<void>;
}

/** Throws LedgerError 'store' when the database cannot be opened. `watch` is told of the ledger's commits. */
export function openLedger(folder: DataFolder, clock: Clock, watch?: CommitWatch): OpenLedger {
  folder.create();
  const store = openSqliteStore({ file: folder.ledgerFile });
  const bare = nodeCrypto();
  const crypto = { ...bare, verifyMany: verifyOnThreads(bare.verifier) };
  const kept = watch === undefined ? store : new WatchedStore(store, watch);
  const deps = { store: kept, clock, crypto, keysOf: folder.keyring(), pause: letOthersRun };
  const entries = new SubmitOnce(deps, new RealClock());
  return { ledger: entries.ledger, entries, store, crypto, close: () => store.close() };
}
