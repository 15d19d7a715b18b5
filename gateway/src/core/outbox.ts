import type { Sample } from './reading.js';
import type { GatewayState } from './state.js';

export type OutgoingKind = 'frame' | 'epoch' | 'gap' | 'counter';

/** A payload that is about to be signed. Frames have their number; requests have 0. */
export interface NewOutgoing {
  readonly kind: OutgoingKind;
  readonly epoch: number;
  readonly number: number;
  readonly payload: Uint8Array;
  /** Samples in it, for the bound of the outbox; 0 for a request. */
  readonly samples: number;
  /** How many frames with these readings were refused before for what stood in them. */
  readonly attempt: number;
}

/** A message that waits for its answer. `message` and `hash` are absent until they were stored; signing again gives the same bytes. */
export interface Outgoing extends NewOutgoing {
  /** The order in which they were made, and in which they are sent. */
  readonly id: number;
  readonly message?: Uint8Array;
  readonly hash?: Uint8Array;
}

/** A message that the ledger refused, or that hangs on one that was: kept to be seen, never sent again. */
export interface Shelved {
  readonly kind: OutgoingKind;
  readonly epoch: number;
  readonly number: number;
  /** The code of the refusal; undefined for an orphan, whose predecessor was refused. */
  readonly code?: number;
}

export interface StoredSample extends Sample {
  readonly id: number;
}

/** Everything that one decision changes. Applied whole or not at all. */
export interface OutboxBatch {
  readonly state?: GatewayState;
  readonly addSamples?: readonly Sample[];
  readonly removeSamples?: readonly number[];
  readonly addOutgoing?: readonly NewOutgoing[];
  /** What was signed since: so that a later start need not sign again. */
  readonly signed?: readonly { readonly id: number; readonly message: Uint8Array; readonly hash: Uint8Array }[];
  /** Answered and done with; the hash of a frame is remembered for a while. */
  readonly removeOutgoing?: readonly number[];
  readonly shelve?: readonly { readonly id: number; readonly code?: number }[];
  /** Hashes of accepted frames that leave the outbox. */
  readonly passed?: readonly { readonly epoch: number; readonly number: number; readonly hash: Uint8Array }[];
}

export interface OutboxUsage {
  /** Samples that wait to be sealed. */
  readonly waitingSamples: number;
  /** Samples inside frames that wait for their receipts. */
  readonly framedSamples: number;
  /** Frames and requests that wait for their answers. */
  readonly outgoing: number;
  readonly shelved: number;
}

/** Shelved messages that are kept to be seen; older ones leave. */
export const MAX_SHELVED = 1000;
/** Hashes of accepted frames that are remembered, for a ledger that asks for a frame it had already answered. */
export const MAX_PASSED = 2000;

/**
 * The box's memory. Contract, the same for every store:
 * - `commit` is all or nothing, and durable when it returns: whatever happens afterwards, a later `open` finds exactly
 *   the batches that returned. It answers with the ids of what was added, rising, in the order of the batch.
 * - `samples` come by (second, id), `outgoing` by id, without what was shelved.
 * - One process has the store at a time; a second one is refused with `outbox-in-use`.
 * - Returned bytes belong to the caller; bytes handed in are not changed afterwards by the caller.
 * - A store that cannot write throws `outbox-full` or `outbox-damaged` and has then applied nothing.
 */
export interface Outbox {
  state(): GatewayState | undefined;
  samples(): StoredSample[];
  outgoing(query: { readonly afterId: number; readonly limit: number }): Outgoing[];
  /** The frame made last, unless it is shelved. */
  newestFrame(): Outgoing | undefined;
  /** The frame of that number, if it waits for its answer. */
  frame(epoch: number, number: number): Outgoing | undefined;
  /** Messages other than frames that wait for an answer. */
  requests(): Outgoing[];
  shelved(limit: number): Shelved[];
  passedHash(epoch: number, number: number): Uint8Array | undefined;
  usage(): OutboxUsage;
  commit(batch: OutboxBatch): { readonly sampleIds: readonly number[]; readonly outgoingIds: readonly number[] };
  close(): void;
}
