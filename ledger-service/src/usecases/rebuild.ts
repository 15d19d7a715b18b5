/** Drops every projection of a community, folds its log anew, and compares: state is nothing but a fold of the sources. */
import { toHex } from '@commonwatt/firmware-protocol';
import { parseCheckpoint, parseNote } from '@commonwatt/firmware-protocol/log';
import { Decision, noSources } from '../core/decision.js';
import { LedgerError } from '../core/errors.js';
import { foldEntry } from '../core/fold/entry.js';
import { rowsOfAppend, rowsOfVersion } from '../core/needs.js';
import { decodeRow, encodeRow } from '../core/row-codec.js';
import { formProblem, indexKey, PROJECTION_TABLES, type RowTable, type RowTypes, SMALL_TABLES } from '../core/rows.js';
import { NeedRows, type RowRef, WorkingSet } from '../core/working-set.js';
import type { Crypto, LedgerStore, RowWrite } from './ports.js';

export interface TableComparison {
  readonly table: string;
  readonly before: string;
  readonly after: string;
  readonly equal: boolean;
}

export interface RebuildReport {
  readonly community: string;
  readonly entries: number;
  /** Root of the folded log, lower-case hex; it is the one of the newest checkpoint. */
  readonly root: string;
  readonly tables: readonly TableComparison[];
  readonly equal: boolean;
  /** The projections were of another form before, or there were none: then their hashes have nothing to be equal to. */
  readonly isMadeAnew: boolean;
}

const ENTRIES_A_COMMIT = 512;
/** An entry stops for rows at most this often: each time at least one more is loaded. */
const MAX_ATTEMPTS_AN_ENTRY = 10_000;

/**
 * Throws LedgerError 'invariant' naming the entry that does not fold, whose commitment does not open, or the root that
 * is not the signed one. A rebuild that was cut short is begun again by calling it again.
 */
export async function rebuild(input: {
  store: LedgerStore;
  community: string;
  crypto: Crypto;
  onProgress?: (done: number, total: number) => void;
}): Promise<RebuildReport> {
  const { store, community, crypto, onProgress } = input;
  const total = await store.size(community);
  if (total === 0) throw new LedgerError('not-found', `no community ${community}`);
  const isMadeAnew = await hasNoForm(store, community);
  const before = await tableHashes(store, community);
  await store.dropProjections(community);
  const fold = new LogFold(store, community, crypto, total);
  while (fold.size < total) {
    await fold.nextBatch();
    onProgress?.(fold.size, total);
  }
  const root = toHex(fold.root());
  await checkRoot(store, community, total, root);
  const after = await tableHashes(store, community);
  const tables = PROJECTION_TABLES.map((table, i) => {
    return { table, before: before[i]!, after: after[i]!, equal: before[i] === after[i] };
  });
  return { community, entries: total, root, tables, equal: tables.every(({ equal }) => equal), isMadeAnew };
}

async function hasNoForm(store: LedgerStore, community: string): Promise<boolean> {
  const [row] = await store.read(community, [{ table: 'community', key: '' }]);
  return row === undefined || formProblem(community, decodeRow('community', row)) !== undefined;
}

async function tableHashes(store: LedgerStore, community: string): Promise<readonly string[]> {
  const hashes: string[] = [];
  for (const table of PROJECTION_TABLES) hashes.push(await store.dumpHash(community, table));
  return hashes;
}

async function checkRoot(store: LedgerStore, community: string, size: number, root: string): Promise<void> {
  const [note] = await store.read(community, [{ table: 'checkpoint', key: indexKey(size) }]);
  if (!(note instanceof Uint8Array)) throw new LedgerError('invariant', `no checkpoint was signed for size ${size}`);
  const signed = toHex(parseCheckpoint(parseNote(note).text).root);
  if (signed !== root)
    throw new LedgerError('invariant', `root of ${size} entries: expected the signed ${signed}, got ${root}`);
}

/** Folds entry by entry; rows that a batch changed are committed together. */
class LogFold {
  readonly #store: LedgerStore;
  readonly #community: string;
  readonly #crypto: Crypto;
  readonly #total: number;
  readonly #rows = new WorkingSet();
  #pending = new Map<string, { table: RowTable; key: string; row: RowTypes[RowTable] | undefined }>();
  #decision: Decision;

  constructor(store: LedgerStore, community: string, crypto: Crypto, total: number) {
    this.#store = store;
    this.#community = community;
    this.#crypto = crypto;
    this.#total = total;
    for (const table of SMALL_TABLES) this.#rows.loadWhole(table, []);
    this.#decision = this.#newDecision();
  }

  get size(): number {
    return this.#decision.log.size;
  }

  root(): Uint8Array {
    return this.#decision.log.root();
  }

  async nextBatch(): Promise<void> {
    const from = this.size;
    const leaves = await this.#store.scan(this.#community, 'leaf', {
      from: indexKey(from),
      to: indexKey(Math.min(from + ENTRIES_A_COMMIT, this.#total)),
      limit: ENTRIES_A_COMMIT,
    });
    if (leaves.length === 0) throw new LedgerError('invariant', `entry ${from} has no leaf: the log ends early`);
    this.#decision = this.#newDecision();
    await this.#load(rowsOfAppend(from));
    await this.#load(leaves.flatMap((_, i) => rowsOfVersion(from + i)));
    for (const { key, value } of leaves) await this.#foldOne(Number(key), value as Uint8Array);
    this.#decision.finish();
    this.#keep();
    await this.#commit();
  }

  #newDecision(): Decision {
    const sources = noSources();
    return new Decision({ community: this.#community, hasher: this.#crypto.hasher, rows: this.#rows, sources });
  }

  async #foldOne(index: number, leafData: Uint8Array): Promise<void> {
    if (index !== this.size) throw new LedgerError('invariant', `entry ${this.size} has no leaf`);
    for (let attempt = 0; attempt < MAX_ATTEMPTS_AN_ENTRY; attempt++) {
      try {
        const leafHash = foldEntry(this.#decision, index, leafData);
        this.#decision.log.append(leafHash);
        this.#keep();
        return;
      } catch (error) {
        this.#rows.dropChanges();
        if (!(error instanceof NeedRows)) throw error;
        await this.#load(error.rows);
      }
    }
    throw new LedgerError('invariant', `entry ${index} asks for rows without end`);
  }

  /** What this batch changed and the store does not have yet comes from here. */
  async #load(refs: readonly RowRef[]): Promise<void> {
    const missing = refs.filter(({ table, key }) => !this.#rows.isLoaded(table, key));
    const stored = await this.#store.read(this.#community, missing);
    missing.forEach(({ table, key }, i) => {
      const pending = this.#pending.get(`${table}\n${key}`);
      const value = stored[i];
      const row = pending ? pending.row : value === undefined ? undefined : decodeRow(table, value);
      this.#rows.loadRow(table, key, row);
    });
  }

  #keep(): void {
    for (const change of this.#rows.changes()) this.#pending.set(`${change.table}\n${change.key}`, change);
    this.#rows.keepChanges();
  }

  async #commit(): Promise<void> {
    const writes: RowWrite[] = [...this.#pending.values()].map(({ table, key, row }) => {
      return { table, key, value: row === undefined ? undefined : encodeRow(table, row) };
    });
    const outcome = await this.#store.commit(this.#community, {
      expectedSize: this.#total,
      newSize: this.#total,
      writes,
    });
    if (outcome === 'conflict')
      throw new LedgerError('conflict', 'the log grew during the rebuild: stop the service first');
    this.#pending = new Map();
    this.#rows.forgetOpenings();
  }
}
