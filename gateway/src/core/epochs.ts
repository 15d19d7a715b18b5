import { EpochReason, parseFramePayload } from '@commonwatt/firmware-protocol';
import type { Alarms } from './alarms.js';
import type { Change, Journal, SignedMessage } from './journal.js';
import type { Petitions } from './petitions.js';
import type { Pump } from './pump.js';
import { toSamplesAgain } from './seal.js';
import type { Sealer } from './sealer.js';

/** Real milliseconds between two requests for a new epoch: doubled each time, until a frame is accepted. */
const FIRST_ASK_PAUSE_MS = 5000;
const MAX_ASK_PAUSE_MS = 600_000;
/** Orphaned frames that are taken apart in one commit. */
const ORPHANS_PER_COMMIT = 500;

export interface EpochsParts {
  readonly journal: Journal;
  readonly sealer: Sealer;
  readonly petitions: Petitions;
  readonly pump: Pump<SignedMessage>;
  readonly alarms: Alarms;
}

/** From the refusal that ends an epoch to the first frame of the next one (PROTOCOL 3.1, 6.5). */
export class Epochs {
  readonly #parts: EpochsParts;
  #askPauseMs = FIRST_ASK_PAUSE_MS;
  #mayAskAtMs = Number.NEGATIVE_INFINITY;
  /** The granted request of an epoch without frames stays in the outbox: it proves where the box stands. */
  #grantIsKept: boolean;
  #hasReturned = false;

  constructor(parts: EpochsParts) {
    this.#parts = parts;
    this.#grantIsKept = !this.isAsking && parts.petitions.epochRequest !== undefined;
  }

  /** A new epoch is wanted and not granted yet: nothing is sealed. */
  get isAsking(): boolean {
    return this.#parts.journal.state.asking !== undefined;
  }

  get grantIsKept(): boolean {
    return this.#grantIsKept;
  }

  /** Readings of refused frames are back among those that wait to be sealed. */
  get hasReturned(): boolean {
    return this.#hasReturned;
  }

  get reason(): string {
    const { asking } = this.#parts.journal.state;
    const why = Object.entries(EpochReason).find(([, value]) => value === asking?.reason)?.[0] ?? 'unknown';
    return `epoch ${asking?.oldEpoch ?? 0} is to be closed (${why}); a new one is requested`;
  }

  /** True once after readings came back. */
  takeReturned(): boolean {
    const hasReturned = this.#hasReturned && !this.isAsking;
    if (hasReturned) this.#hasReturned = false;
    return hasReturned;
  }

  /** Goes on asking after a start. */
  resume(): void {
    const request = this.#parts.petitions.epochRequest;
    if (request?.epoch === this.#parts.journal.state.asking?.oldEpoch && request !== undefined) {
      this.#parts.pump.restart([request]);
    } else {
      this.#ask();
    }
  }

  /**
   * From here on nothing is sealed until a new epoch is granted: durable, so that a crash does not forget it. `change`
   * goes into the same commit.
   */
  begin(reason: number, oldEpoch: number, change: Change = {}): void {
    const { journal, pump, alarms } = this.#parts;
    journal.commit({ ...change, state: { ...change.state, asking: { reason, oldEpoch } } });
    this.#grantIsKept = false;
    pump.restart([]);
    const waitMs = this.#mayAskAtMs - alarms.nowMs();
    if (waitMs > 0) alarms.after(waitMs, () => this.#ask());
    else this.#ask();
  }

  /** Granted: what was not accepted under the old numbers is taken apart, to be sealed under new ones. */
  open(epoch: number, opening: Uint8Array): void {
    const { journal, sealer, pump } = this.#parts;
    sealer.releaseNewest();
    for (let orphans = this.#orphans(); orphans.length > 0; orphans = this.#orphans()) {
      journal.commit({
        shelve: orphans.map((message) => ({ message })),
        addSamples: orphans.flatMap(({ payload, attempt }) => toSamplesAgain(parseFramePayload(payload), attempt)),
      });
    }
    journal.commit({
      remove: journal.requests().filter(({ kind }) => kind === 'gap'),
      state: { epoch, next: 1, opening, accepted: undefined, asking: undefined },
    });
    sealer.forgetNewest();
    this.#grantIsKept = true;
    this.#hasReturned = journal.waiting.length > 0;
    pump.restart([]);
  }

  /** The epoch has its first frame: that one proves from now on where the box stands. */
  dropGrant(): void {
    if (!this.#grantIsKept) return;
    const request = this.#parts.petitions.epochRequest;
    if (request !== undefined) this.#parts.journal.defer({ answered: request });
    this.#grantIsKept = false;
  }

  /** A frame was accepted: the next request need not wait long. */
  frameAccepted(): void {
    this.#askPauseMs = FIRST_ASK_PAUSE_MS;
  }

  #ask(): void {
    if (!this.isAsking) return;
    const { petitions, pump, alarms } = this.#parts;
    this.#mayAskAtMs = alarms.nowMs() + this.#askPauseMs;
    this.#askPauseMs = Math.min(2 * this.#askPauseMs, MAX_ASK_PAUSE_MS);
    pump.restart([petitions.askEpoch()]);
  }

  #orphans(): SignedMessage[] {
    return this.#parts.journal.more(0, ORPHANS_PER_COMMIT).filter(({ kind }) => kind === 'frame');
  }
}
