import type { Hasher, Signer } from '@commonwatt/firmware-protocol';
import { externalData, type SealedKind, sealMessage } from '@commonwatt/firmware-protocol';
import { GatewayError } from '../errors.js';
import {
  MAX_SHELVED,
  type NewOutgoing,
  type Outbox,
  type Outgoing,
  type OutgoingKind,
  type StoredSample,
} from './outbox.js';
import type { Sendable } from './pump.js';
import type { Sample } from './reading.js';
import type { GatewayState } from './state.js';

/** A message that is durable as payload and signed. */
export type SignedMessage = Outgoing & Sendable;

const SEALS = {
  frame: 'meter-frame/v1',
  epoch: 'epoch-request/v1',
  gap: 'gap-request/v1',
  counter: 'counter-event/v1',
} as const satisfies Record<OutgoingKind, SealedKind>;

export interface JournalParts {
  readonly outbox: Outbox;
  readonly signer: Signer;
  readonly hasher: Hasher;
  readonly kid: Uint8Array;
  readonly origin: string;
}

/** What a step of the box changes; `state` holds only what is new. */
export interface Change {
  readonly state?: Partial<GatewayState>;
  readonly addSamples?: readonly Sample[];
  /** Ids of samples that were sealed, or given up. */
  readonly removeSamples?: readonly number[];
  readonly remove?: readonly SignedMessage[];
  /** Refused, with the code, or orphaned, without. */
  readonly shelve?: readonly { readonly message: SignedMessage; readonly code?: number }[];
}

/**
 * The outbox as the box uses it: the state and the waiting samples at hand, signing only after the commit, and removals
 * that can wait ride with the next commit, so that a frame costs one commit and not three.
 */
export class Journal {
  readonly #parts: JournalParts;
  #state: GatewayState;
  #waiting: StoredSample[];
  /** Kept up to date here: counting a long backlog at every commit would cost more than the commit. */
  #framedSamples: number;
  #outgoing: number;
  #shelved: number;
  /** Answered messages whose removal waits for the next commit. */
  readonly #answered = new Map<number, SignedMessage>();
  /** Messages that were signed since the last commit. */
  readonly #signed = new Map<number, SignedMessage>();
  /** Changes of the state that can wait likewise. */
  #deferred: Partial<GatewayState> = {};

  constructor(parts: JournalParts, fresh: GatewayState) {
    this.#parts = parts;
    this.#state = parts.outbox.state() ?? fresh;
    this.#waiting = parts.outbox.samples();
    const usage = parts.outbox.usage();
    this.#framedSamples = usage.framedSamples;
    this.#outgoing = usage.outgoing;
    this.#shelved = usage.shelved;
  }

  /** As of the last commit, with what will ride on the next one. */
  get state(): GatewayState {
    return this.#state;
  }

  /** Samples that are durable and wait to be sealed, by their time. */
  get waiting(): readonly StoredSample[] {
    return this.#waiting;
  }

  /** Samples held in all, sealed or not, without an answer. */
  get held(): number {
    return this.#waiting.length + this.#framedSamples - sum([...this.#answered.values()]);
  }

  /** Messages without an answer. */
  get pending(): number {
    return this.#outgoing - this.#answered.size;
  }

  get shelved(): number {
    return this.#shelved;
  }

  get hasDeferred(): boolean {
    return this.#answered.size > 0 || Object.keys(this.#deferred).length > 0;
  }

  /** Messages of the outbox after that id, in order, signed; without those whose answer came already. */
  more(afterId: number, limit: number): SignedMessage[] {
    const found: SignedMessage[] = [];
    let lastId = afterId;
    while (found.length < limit) {
      const rows = this.#parts.outbox.outgoing({ afterId: lastId, limit });
      if (rows.length === 0) break;
      lastId = rows.at(-1)!.id;
      for (const row of rows) if (!this.#answered.has(row.id) && found.length < limit) found.push(this.#sign(row));
    }
    return found;
  }

  newestFrame(): SignedMessage | undefined {
    const row = this.#parts.outbox.newestFrame();
    return row === undefined ? undefined : this.#sign(row);
  }

  /** The frame of that number, if it waits for its answer. */
  frame(epoch: number, number: number): SignedMessage | undefined {
    const row = this.#parts.outbox.frame(epoch, number);
    return row === undefined || this.#answered.has(row.id) ? undefined : this.#sign(row);
  }

  requests(): SignedMessage[] {
    return this.#parts.outbox
      .requests()
      .filter(({ id }) => !this.#answered.has(id))
      .map((row) => this.#sign(row));
  }

  passedHash(epoch: number, number: number): Uint8Array | undefined {
    return this.#parts.outbox.passedHash(epoch, number);
  }

  /** One durable commit. The waiting samples and the state change only if it holds. */
  commit(change: Change): void {
    this.#commit(change, []);
  }

  /** One durable commit of a payload under its number; only then it is signed. */
  commitAndSign(
    change: Change,
    outgoing: NewOutgoing,
  ): { readonly message: SignedMessage; readonly sampleIds: readonly number[] } {
    const { outgoingIds, sampleIds } = this.#commit(change, [outgoing]);
    const [id] = outgoingIds;
    if (id === undefined) throw new GatewayError('outbox-damaged', 'the outbox gave no id to a new message');
    return { message: this.#sign({ ...outgoing, id }), sampleIds };
  }

  /** What may ride with the next commit: losing it costs a repeated message, never a wrong one. */
  defer(change: { readonly answered?: SignedMessage; readonly state?: Partial<GatewayState> }): void {
    if (change.answered !== undefined) this.#answered.set(change.answered.id, change.answered);
    if (change.state === undefined) return;
    this.#deferred = { ...this.#deferred, ...change.state };
    this.#state = { ...this.#state, ...change.state };
  }

  /** Commits what was deferred. */
  flush(): void {
    if (this.hasDeferred) this.commit({});
  }

  close(): void {
    this.#parts.outbox.close();
  }

  #commit(change: Change, addOutgoing: readonly NewOutgoing[]): ReturnType<Outbox['commit']> {
    const state = { ...this.#state, ...change.state };
    const removed = [...(change.remove ?? []), ...this.#answered.values()];
    const shelved = change.shelve ?? [];
    const gone = new Set(removed.map(({ id }) => id));
    const result = this.#parts.outbox.commit({
      state,
      addSamples: change.addSamples ?? [],
      removeSamples: change.removeSamples ?? [],
      addOutgoing,
      removeOutgoing: [...gone],
      signed: [...this.#signed.values()].filter(({ id }) => !gone.has(id)),
      shelve: shelved.map(({ message, code }) => ({ id: message.id, ...(code !== undefined && { code }) })),
      passed: [...this.#answered.values()].filter(({ kind }) => kind === 'frame'),
    });
    this.#state = state;
    this.#deferred = {};
    this.#signed.clear();
    this.#answered.clear();
    this.#updateWaiting(change, result.sampleIds);
    this.#framedSamples += sum(addOutgoing) - sum(removed) - sum(shelved.map(({ message }) => message));
    this.#outgoing += addOutgoing.length - removed.length - shelved.length;
    this.#shelved = Math.min(this.#shelved + shelved.length, MAX_SHELVED);
    return result;
  }

  #updateWaiting(change: Change, ids: readonly number[]): void {
    const { addSamples = [], removeSamples = [] } = change;
    if (addSamples.length === 0 && removeSamples.length === 0) return;
    const removed = new Set(removeSamples);
    const kept = removed.size === 0 ? this.#waiting : this.#waiting.filter(({ id }) => !removed.has(id));
    const added = addSamples.map((sample, at) => ({ ...sample, id: ids[at]! }));
    const inOrder = added.every((sample, at) => sample.atS >= (added[at - 1] ?? kept.at(-1) ?? sample).atS);
    this.#waiting = [...kept, ...added];
    if (!inOrder) this.#waiting.sort((a, b) => a.atS - b.atS || a.id - b.id);
  }

  /** Ed25519 is deterministic: the same payload gives the same bytes, before and after a crash. */
  #sign(row: Outgoing): SignedMessage {
    const { hasher, signer, kid, origin } = this.#parts;
    if (row.message !== undefined && row.hash !== undefined) return row as SignedMessage;
    const known = this.#signed.get(row.id);
    if (known !== undefined) return known;
    const message = sealMessage({
      payload: row.payload,
      externalData: externalData(origin, SEALS[row.kind]),
      kid,
      signer,
    });
    const signed = { ...row, message, hash: hasher.sha256(message) };
    this.#signed.set(row.id, signed);
    return signed;
  }
}

function sum(messages: readonly { readonly samples: number }[]): number {
  return messages.reduce((total, { samples }) => total + samples, 0);
}
