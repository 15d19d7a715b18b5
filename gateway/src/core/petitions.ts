import {
  type CounterEvent,
  EpochReason,
  encodeCounterEvent,
  encodeEpochRequest,
  encodeGapRequest,
  parseFramePayload,
} from '@commonwatt/firmware-protocol';
import type { Change, Journal, SignedMessage } from './journal.js';

/** What the box asks of the ledger or tells it besides its readings: each durable first, then signed. */
export class Petitions {
  readonly #journal: Journal;
  readonly #kid: Uint8Array;

  constructor(journal: Journal, kid: Uint8Array) {
    this.#journal = journal;
    this.#kid = kid;
  }

  /** The epoch request that waits, or the granted one that is kept until the epoch has its first frame. */
  get epochRequest(): SignedMessage | undefined {
    return this.#journal.requests().findLast(({ kind }) => kind === 'epoch');
  }

  /** Asks for the epoch that `state.asking` wants; an older request goes. */
  askEpoch(): SignedMessage {
    const { epoch, asking, accepted, opening } = this.#journal.state;
    const oldEpoch = asking?.oldEpoch ?? epoch;
    // What was accepted in another epoch than the one that closes says nothing about it.
    const known = oldEpoch === epoch ? accepted : undefined;
    const payload = encodeEpochRequest({
      kid: this.#kid,
      oldEpoch,
      lastNumber: known?.number ?? 0,
      lastHash: known?.hash ?? opening,
      reason: asking?.reason ?? EpochReason.byHand,
    });
    const older = this.#journal.requests().filter(({ kind }) => kind === 'epoch');
    return this.#make('epoch', oldEpoch, payload, { remove: older });
  }

  /**
   * Declares that the frames from `first` up to the oldest one that the box still has are lost. Undefined when it no
   * longer knows on what the first of them stood: then only a new epoch helps. A request that waits already is returned.
   */
  declareGap(first: number): SignedMessage | undefined {
    const { epoch, opening, accepted } = this.#journal.state;
    const waiting = this.#journal.requests().find((request) => request.kind === 'gap' && request.number === first);
    if (waiting !== undefined) return waiting;
    const next = this.#journal
      .more(0, 1 + MAX_REQUESTS_AHEAD)
      .find(({ kind, number }) => kind === 'frame' && number > first);
    const before = accepted?.number === first - 1 ? accepted.hash : this.#journal.passedHash(epoch, first - 1);
    const expectedPrevious = first === 1 ? opening : before;
    if (next === undefined || expectedPrevious === undefined) return undefined;
    const nextPrevious = parseFramePayload(next.payload).previous;
    const claim = { epoch, first, last: next.number - 1, expectedPrevious, nextPrevious };
    return this.#make('gap', epoch, encodeGapRequest({ kid: this.#kid, ...claim }), {}, first);
  }

  /** Opens a new generation of a meter's counters. `change` goes into the same commit. */
  counterEvent(event: CounterEvent, change: Change): SignedMessage {
    return this.#make('counter', this.#journal.state.epoch, encodeCounterEvent(event), change);
  }

  #make(
    kind: 'epoch' | 'gap' | 'counter',
    epoch: number,
    payload: Uint8Array,
    change: Change,
    number = 0,
  ): SignedMessage {
    return this.#journal.commitAndSign(change, { kind, epoch, number, payload, samples: 0, attempt: 0 }).message;
  }
}

/** Requests that may stand before the oldest frame of the outbox. */
const MAX_REQUESTS_AHEAD = 64;
