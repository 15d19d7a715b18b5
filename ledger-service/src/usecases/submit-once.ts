/**
 * Signed entries that are handed in under a key of the caller's enter once, however often they are sent: the key is kept in
 * the very commit that carries the entries, so that no crash parts the two.
 */
import { bytesEqual, encodeCbor, toHex } from '@commonwatt/firmware-protocol';
import { KIND, type Kind } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../core/errors.js';
import { isPrivateKind, parseSealedEntry, signedContent, signedEntry } from '../core/records/index.js';
import type { TableName } from '../core/rows.js';
import type { SubmittedEntry } from '../core/submit.js';
import { AccompaniedStore } from './accompanied-store.js';
import { KeptKeys, type KeptWrite } from './kept-keys.js';
import { Ledger, type LedgerDeps } from './ledger.js';
import type { Clock, CommitBatch } from './ports.js';

const SALT_BYTES = 16;

/** Untrusted until the ledger has checked the signatures. */
export interface Submission {
  readonly community: string;
  /** All or none of them. */
  readonly entries: readonly SubmittedEntry[];
  /** The caller's name for this request: the same again means the same request again. */
  readonly key?: string | undefined;
}

export interface Submitted {
  /** Of the entries in the log, in their order. */
  readonly indices: readonly number[];
  /** True: they entered when the key came first, and nothing was written now. */
  readonly isRepeat: boolean;
}

export class SubmitOnce {
  /** To be used for everything else too: its commits are the ones that carry the keys. */
  readonly ledger: Ledger;
  readonly #store: AccompaniedStore;
  readonly #keys: KeptKeys;
  readonly #crypto: LedgerDeps['crypto'];
  /** The last request under each key that is being worked on. As many as there are requests under way. */
  readonly #underWay = new Map<string, Promise<unknown>>();

  /** `realClock`: keys age in real time, also where the ledger's clock is simulated. */
  constructor(deps: LedgerDeps, realClock: Clock) {
    this.#store = new AccompaniedStore(deps.store);
    this.#crypto = deps.crypto;
    this.#keys = new KeptKeys({ store: deps.store, crypto: deps.crypto, clock: realClock });
    this.ledger = new Ledger({ ...deps, store: this.#store });
  }

  /**
   * Throws 'conflict' where the key stands for other entries, and whatever the ledger refuses the entries with. A refused
   * request wrote nothing and takes no key.
   */
  async submit(submission: Submission): Promise<Submitted> {
    const { community, entries, key } = submission;
    if (key === undefined) {
      const { indices } = await (await this.ledger.community(community)).submit(entries);
      return { indices, isRepeat: false };
    }
    const name = this.#keys.nameOf(key);
    return this.#inTurn(`${community}\n${name}`, () => this.#submitKeyed({ community, entries, name }));
  }

  async #submitKeyed(keyed: Keyed): Promise<Submitted> {
    const request = this.#digest(keyed.entries);
    const known = await this.#recall(keyed, request);
    if (known !== undefined) return known;
    try {
      return await this.#write(keyed, request);
    } catch (error) {
      // Another process may have taken the same request meanwhile: then its answer is the answer.
      const meanwhile = await this.#recall(keyed, request);
      if (meanwhile !== undefined) return meanwhile;
      throw error;
    }
  }

  async #recall({ community, name }: Keyed, request: string): Promise<Submitted | undefined> {
    const kept = await this.#keys.recall(community, name);
    if (kept === undefined) return undefined;
    checkSame(kept, request);
    return { indices: kept.indices, isRepeat: true };
  }

  async #write({ community, entries, name }: Keyed, request: string): Promise<Submitted> {
    const ledger = await this.ledger.community(community);
    const firstIndexIn = finderOf(entries);
    const rowsOf = await this.#keys.planFor(community, name);
    let isCarried = false;
    const { indices } = await this.#store.accompany(
      community,
      (batch) => {
        const first = firstIndexIn(batch);
        if (first === undefined) return undefined;
        isCarried = true;
        return rowsOf({ request, indices: entries.map((_, i) => first + i) });
      },
      () => ledger.submit(entries),
    );
    if (isCarried) await this.#keys.noteKept(community, name);
    return { indices, isRepeat: false };
  }

  #digest(entries: readonly SubmittedEntry[]): string {
    return toHex(this.#crypto.hasher.sha256(encodeCbor(entries.map(({ kind, cose }) => [kind, cose]))));
  }

  /** Requests under one key come one after the other: the second finds what the first did. */
  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#underWay.get(id) ?? Promise.resolve();
    const turn = before.then(work);
    const over = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#underWay.set(id, over);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(id) === over) this.#underWay.delete(id);
    }
  }
}

interface Keyed {
  readonly community: string;
  readonly entries: readonly SubmittedEntry[];
  readonly name: string;
}

function checkSame(kept: KeptWrite, request: string): void {
  if (kept.request === request) return;
  throw new LedgerError(
    'conflict',
    `idempotency key: expected the entries that became ${kept.indices.join(', ')}, got others; take a new key for them`,
  );
}

/**
 * Where the first of these entries stands in a batch that appends it; a signed message enters a log once. What it looks like
 * there is made ready here: nothing may throw into a commit that is somebody else's. Throws 'bad-entry'.
 */
function finderOf([first]: readonly SubmittedEntry[]): (batch: CommitBatch) => number | undefined {
  if (first === undefined) return () => undefined;
  const isFirst = rowFinderOf(first);
  return ({ writes }) => {
    const found = writes.find(({ table, value }) => value instanceof Uint8Array && isFirst(table, value));
    return found === undefined ? undefined : Number(found.key.split('/')[0]);
  };
}

function rowFinderOf({ kind: number, cose }: SubmittedEntry): (table: TableName, value: Uint8Array) => boolean {
  const kind = number as Kind;
  if (kind === KIND.gatewayEpoch) {
    // Signed, so no other leaf ends like this. In front stands the request, which may lie with the ledger alone (LOG 5.4).
    parseSealedEntry(cose);
    return (table, value) => table === 'leaf' && endsWith(value, cose);
  }
  if (isPrivateKind(kind)) {
    const content = signedContent(cose);
    return (table, value) => table === 'opening' && bytesEqual(value.subarray(SALT_BYTES), content);
  }
  const leaf = signedEntry(kind, cose);
  return (table, value) => table === 'leaf' && bytesEqual(value, leaf);
}

function endsWith(bytes: Uint8Array, end: Uint8Array): boolean {
  return bytes.length >= end.length && bytesEqual(bytes.subarray(bytes.length - end.length), end);
}
