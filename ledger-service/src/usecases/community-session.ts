/**
 * One community's rows in memory, and the only way to change them: decide on what is loaded, commit once, and keep what
 * the store took. Another writer is noticed by the log's size; then everything is read anew and decided again.
 */
import { decodeCbor, parseFramePayload, parseSealed, type Signer } from '@commonwatt/firmware-protocol';
import { signCheckpoint } from '@commonwatt/firmware-protocol/log';
import { Decision, noSources, type ParkedMessage, type SmallSources } from '../core/decision.js';
import { LedgerError } from '../core/errors.js';
import { rowsOfAppend } from '../core/needs.js';
import { decodeRow, encodeRow } from '../core/row-codec.js';
import {
  formProblem,
  PENDING_REQUESTS,
  type RowTable,
  SMALL_TABLES,
  type SourceTable,
  type TableName,
} from '../core/rows.js';
import { NeedRows, type RowRef, WorkingSet } from '../core/working-set.js';
import type { Crypto, LedgerStore, RowWrite } from './ports.js';

/** Decisions that stop for rows, or meet another writer, begin anew at most this often. */
const MAX_ATTEMPTS = 10_000;
const MAX_CONFLICTS = 20;
/** Reads of a whole state that another writer came between. */
const MAX_LOADS = 100;
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
  #loading: Promise<WorkingSet> | undefined;
  #sources: SmallSources = noSources();
  #note: Uint8Array = new Uint8Array();

  constructor(input: { community: string; store: LedgerStore; crypto: Crypto; logSigner: () => Signer }) {
    this.community = input.community;
    this.#store = input.store;
    this.#crypto = input.crypto;
    this.#logSigner = input.logSigner;
  }

  /** Rows as the store has them; read only. Whoever comes while they are being read waits for the same ones. */
  async rows(): Promise<WorkingSet> {
    if (this.#rows !== undefined) return this.#rows;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** The rows where they are in memory already; what a decision has not committed yet may show through. */
  loadedRows(): WorkingSet | undefined {
    return this.#rows;
  }

  /** The newest request of each forked gateway that waits for the operator, by kid in hex. */
  async pendingRequests(): Promise<ReadonlyMap<string, Uint8Array>> {
    await this.rows();
    return new Map([...this.#sources.requests].map(([kid, { message }]) => [kid, message]));
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
    for (let attempt = 0; attempt < MAX_ATTEMPTS && conflicts <= MAX_CONFLICTS; attempt++) {
      const rows = await this.rows();
      const outcome = this.#attempt(rows, plan);
      if (outcome.kind === 'need') {
        await this.#loadRows(outcome.rows);
        continue;
      }
      // Rows that were read after another writer's commit do not fit those from before it: that fails in any way.
      if (outcome.kind === 'failed' && !(await this.#isBehind(rows))) throw outcome.error;
      if (outcome.kind === 'decided' && (await this.#commit(rows, outcome.decision)) === 'applied') {
        this.#keep(rows, outcome.decision, outcome.note);
        return outcome.result;
      }
      this.#rows = undefined;
      conflicts += 1;
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
      return { kind: 'failed', error } as const;
    }
  }

  async #isBehind(rows: WorkingSet): Promise<boolean> {
    return (await this.#store.size(this.community)) !== (rows.get('community', '')?.size ?? 0);
  }

  #keep(rows: WorkingSet, decision: Decision, note: Uint8Array): void {
    rows.keepChanges();
    rows.forgetOpenings();
    this.#sources = decision.sources();
    this.#note = note;
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
    const writes: RowWrite[] = decision.sourceWrites();
    rows.eachChange((table, key, row) => {
      writes.push({ table, key, value: row === undefined ? undefined : encodeRow(table, row) });
    });
    const { expectedSize } = decision;
    // Nothing to write, but what is answered must not be out of date: a refusal is final.
    if (writes.length === 0) return (await this.#isBehind(rows)) ? 'conflict' : 'applied';
    try {
      const outcome = await this.#store.commit(this.community, { expectedSize, newSize: decision.log.size, writes });
      if (outcome === 'conflict') rows.dropChanges();
      return outcome;
    } catch (error) {
      rows.dropChanges();
      throw error;
    }
  }

  /** Several reads make one state only when nobody has written between them, which the log's size tells. */
  async #load(): Promise<WorkingSet> {
    for (let attempt = 0; attempt < MAX_LOADS; attempt++) {
      const size = await this.#store.size(this.community);
      const rows = await this.#loadSmall();
      const sources = await this.#loadSources();
      const [newest] = await this.#store.scan(this.community, 'checkpoint', { limit: 1, reverse: true });
      if ((await this.#store.size(this.community)) !== size) continue;
      checkComplete(this.community, rows, size);
      this.#sources = sources;
      this.#note = newest === undefined ? new Uint8Array() : (newest.value as Uint8Array);
      this.#rows = rows;
      return rows;
    }
    throw new LedgerError('conflict', `community ${this.community}: other writers never rest; try again`);
  }

  async #loadSmall(): Promise<WorkingSet> {
    const rows = new WorkingSet();
    for (const table of SMALL_TABLES) {
      const stored = await this.#scanAll(table);
      rows.loadWhole(
        table,
        stored.map(({ key, value }) => [key, decodeRow(table, value)] as const),
      );
      // Rows of another form are not even decoded.
      if (table === 'community') checkForm(this.community, rows);
    }
    return rows;
  }

  async #loadSources(): Promise<SmallSources> {
    const sources = noSources();
    for (const { key, value } of await this.#scanAll('privacy_key')) {
      sources.privacyKeys.set(key, value as Uint8Array);
    }
    const parked = new Map<string, ParkedMessage[]>();
    for (const { key, value } of await this.#scanAll('parked')) {
      const message = value as Uint8Array;
      if (key.startsWith(PENDING_REQUESTS)) {
        const hash = this.#crypto.hasher.sha256(message);
        sources.requests.set(key.slice(PENDING_REQUESTS.length), { hash, message });
        continue;
      }
      const [kid, number] = key.split('/') as [string, string];
      const list = parked.get(kid) ?? [];
      list.push(decodeParked(Number(number), message));
      parked.set(kid, list);
    }
    for (const [kid, list] of parked) sources.parked.set(kid, list);
    return sources;
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

/** Throws 'invariant' where the projections are of another form. */
function checkForm(community: string, rows: WorkingSet): void {
  const problem = formProblem(community, rows.get('community', ''));
  if (problem !== undefined) throw new LedgerError('invariant', problem);
}

/** Throws 'invariant' where the projections are not those of the whole log: a rebuild was cut short. */
function checkComplete(community: string, rows: WorkingSet, size: number): void {
  const folded = rows.get('community', '')?.size ?? 0;
  if (folded === size) return;
  throw new LedgerError(
    'invariant',
    `community ${community}: expected projections of ${size} entries, got ${folded}; rebuild the projections`,
  );
}

function decodeParked(number: number, value: Uint8Array): ParkedMessage {
  const fields = decodeCbor(value);
  if (!Array.isArray(fields)) throw new LedgerError('invariant', `parked frame ${number} is damaged`);
  const [receivedS, hash, previous, message] = fields as [number, Uint8Array, Uint8Array, Uint8Array];
  const { epoch } = parseFramePayload(parseSealed(message).payload);
  return { epoch, number, receivedS, hash, previous, message };
}
