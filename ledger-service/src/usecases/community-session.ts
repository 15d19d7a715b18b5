/**
 * One community's rows in memory, and the only way to change them: decide on what is loaded, commit once, and keep what
 * the store took. Another writer is noticed by the log's size; then everything is read anew and decided again.
 */
import { decodeCbor, type Signer } from '@commonwatt/firmware-protocol';
import { signCheckpoint } from '@commonwatt/firmware-protocol/log';
import { Decision, type ParkedMessage, type SmallSources } from '../core/decision.js';
import { LedgerError } from '../core/errors.js';
import { rowsOfAppend } from '../core/needs.js';
import { decodeRow, encodeRow } from '../core/row-codec.js';
import { type RowTable, SMALL_TABLES, type SourceTable, type TableName } from '../core/rows.js';
import { NeedRows, type RowRef, WorkingSet } from '../core/working-set.js';
import type { Crypto, LedgerStore, RowWrite } from './ports.js';

/** Decisions that stop for rows, or meet another writer, begin anew at most this often. */
const MAX_ATTEMPTS = 10_000;
const MAX_CONFLICTS = 20;
const SCAN_ROWS = 10_000;

/** What `decide` is given beside the decision once all entries are appended. */
export interface Concluded {
  /** The signed note of the size that this decision leads to. */
  readonly checkpoint: Uint8Array;
}

/** Decides in two steps: first what is appended, then, with the new root signed, what is answered. */
export interface Plan<T, U> {
  readonly decide: (decision: Decision) => T;
  readonly conclude: (decision: Decision, decided: T, concluded: Concluded) => U;
}

export class CommunitySession {
  readonly community: string;
  readonly #store: LedgerStore;
  readonly #crypto: Crypto;
  readonly #logSigner: () => Signer;
  #rows: WorkingSet | undefined;
  #sources: SmallSources = { privacyKeys: new Map(), parked: new Map() };
  #note: Uint8Array = new Uint8Array();

  constructor(input: { community: string; store: LedgerStore; crypto: Crypto; logSigner: () => Signer }) {
    this.community = input.community;
    this.#store = input.store;
    this.#crypto = input.crypto;
    this.#logSigner = input.logSigner;
  }

  /** Rows as the store has them; read only. */
  async rows(): Promise<WorkingSet> {
    this.#rows ??= await this.#load();
    return this.#rows;
  }

  /** The newest signed note; empty before the first entry. */
  async checkpoint(): Promise<Uint8Array> {
    await this.rows();
    return this.#note;
  }

  /** Loads rows ahead, as a hint: what is missing later is loaded then. */
  async prefetch(refs: readonly RowRef[]): Promise<void> {
    await this.#loadRows(refs);
  }

  /** Durable when it resolves. Whatever throws in between leaves nothing behind. */
  async run<T, U>(plan: Plan<T, U>): Promise<U> {
    let conflicts = 0;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const rows = await this.rows();
      const outcome = this.#attempt(rows, plan);
      if (outcome.kind === 'need') {
        await this.#loadRows(outcome.rows);
        continue;
      }
      const { decision, result, note } = outcome;
      if ((await this.#commit(rows, decision)) === 'applied') {
        rows.keepChanges();
        this.#sources = decision.sources();
        this.#note = note;
        return result;
      }
      this.#rows = undefined;
      conflicts += 1;
      if (conflicts > MAX_CONFLICTS) break;
    }
    throw new LedgerError(
      'conflict',
      `community ${this.community}: other writers came first ${conflicts} times; try again`,
    );
  }

  #attempt<T, U>(rows: WorkingSet, plan: Plan<T, U>) {
    try {
      rows.require(rowsOfAppend(rows.get('community', '')?.size ?? 0));
      const { community } = this;
      const decision = new Decision({ community, hasher: this.#crypto.hasher, rows, sources: this.#sources });
      const decided = plan.decide(decision);
      decision.finish();
      const note = this.#sign(decision);
      const result = plan.conclude(decision, decided, { checkpoint: note });
      return { kind: 'decided', decision, result, note } as const;
    } catch (error) {
      rows.dropChanges();
      if (error instanceof NeedRows) return { kind: 'need', rows: error.rows } as const;
      throw error;
    }
  }

  /** One signature serves the whole commit; a log that did not grow has its note already. */
  #sign(decision: Decision): Uint8Array {
    const { size } = decision.log;
    if (size === decision.expectedSize) return this.#note;
    const { origin } = decision.communityRow().genesis;
    const { hasher } = this.#crypto;
    const note = signCheckpoint({ origin, size, root: decision.log.root(), signer: this.#logSigner(), hasher });
    decision.keepCheckpoint(size, note);
    return note;
  }

  async #commit(rows: WorkingSet, decision: Decision): Promise<'applied' | 'conflict'> {
    const writes: RowWrite[] = [...decision.sourceWrites()];
    for (const { table, key, row } of rows.changes()) {
      writes.push({ table, key, value: row === undefined ? undefined : encodeRow(table, row) });
    }
    if (writes.length === 0) return 'applied';
    try {
      const { expectedSize } = decision;
      const outcome = await this.#store.commit(this.community, { expectedSize, newSize: decision.log.size, writes });
      if (outcome === 'conflict') rows.dropChanges();
      return outcome;
    } catch (error) {
      rows.dropChanges();
      throw error;
    }
  }

  async #load(): Promise<WorkingSet> {
    const rows = new WorkingSet();
    for (const table of SMALL_TABLES) {
      const stored = await this.#scanAll(table);
      rows.loadWhole(
        table,
        stored.map(({ key, value }) => [key, decodeRow(table, value)] as const),
      );
    }
    this.#sources = { privacyKeys: await this.#loadPrivacyKeys(), parked: await this.#loadParked() };
    const [newest] = await this.#store.scan(this.community, 'checkpoint', { limit: 1, reverse: true });
    this.#note = newest === undefined ? new Uint8Array() : (newest.value as Uint8Array);
    return rows;
  }

  async #loadPrivacyKeys(): Promise<Map<string, Uint8Array>> {
    const stored = await this.#scanAll('privacy_key');
    return new Map(stored.map(({ key, value }) => [key, value as Uint8Array]));
  }

  async #loadParked(): Promise<Map<string, readonly ParkedMessage[]>> {
    const parked = new Map<string, ParkedMessage[]>();
    for (const { key, value } of await this.#scanAll('parked')) {
      const [kid, number] = key.split('/') as [string, string];
      const list = parked.get(kid) ?? [];
      list.push(decodeParked(Number(number), value as Uint8Array));
      parked.set(kid, list);
    }
    return parked;
  }

  async #scanAll(table: TableName): Promise<readonly { key: string; value: string | Uint8Array }[]> {
    const found: { key: string; value: string | Uint8Array }[] = [];
    for (;;) {
      const last = found.at(-1);
      // The key after `last` in byte order.
      const from = last === undefined ? {} : { from: `${last.key}\u0000` };
      const page = await this.#store.scan(this.community, table, { ...from, limit: SCAN_ROWS });
      found.push(...page);
      if (page.length < SCAN_ROWS) return found;
    }
  }

  async #loadRows(refs: readonly RowRef[]): Promise<void> {
    const rows = await this.rows();
    const missing = refs.filter(({ table, key }) => !rows.isLoaded(table, key));
    if (missing.length === 0) return;
    const values = await this.#store.read(
      this.community,
      missing.map(({ table, key }) => ({ table: tableOf(table), key })),
    );
    missing.forEach(({ table, key }, i) => {
      const value = values[i];
      rows.loadRow(table, key, value === undefined ? undefined : decodeRow(table, value));
    });
  }
}

/** Openings are rows to a decision and a source to the store, under one name. */
function tableOf(table: RowTable): Exclude<TableName, SourceTable> | 'opening' {
  return table;
}

function decodeParked(number: number, value: Uint8Array): ParkedMessage {
  const fields = decodeCbor(value);
  if (!Array.isArray(fields)) throw new LedgerError('invariant', `parked frame ${number} is damaged`);
  const [receivedS, hash, previous, message] = fields as [number, Uint8Array, Uint8Array, Uint8Array];
  return { number, receivedS, hash, previous, message };
}
