import type { BrokerLink } from './broker-link.js';
import type { Cancel, Timers } from './clock.js';
import type { OutgoingKind } from './outbox.js';
import { SendWindow } from './send-window.js';

/** A signed message that waits for its answer. */
export interface Sendable {
  readonly id: number;
  readonly kind: OutgoingKind;
  readonly epoch: number;
  readonly number: number;
  readonly message: Uint8Array;
  /** SHA-256 of the message, by which an answer names it. */
  readonly hash: Uint8Array;
}

/** Real milliseconds until a message without answer is sent again: doubled each time. */
const FIRST_REPEAT_MS = 5000;
const MAX_REPEAT_MS = 300_000;
/** A message that is answered with "not now" is sent again after this. */
const PATIENT_REPEAT_MS = 60_000;
/** A message that is asked for is not sent again sooner: one gap is answered once for each frame behind it. */
const LEAST_REPEAT_MS = 500;
/** Repeats are spread by this part of their delay, so that a street does not speak in chorus after an outage. */
const JITTER = 0.25;

export interface PumpParts<T extends Sendable> {
  readonly broker: BrokerLink;
  readonly timers: Timers;
  /** Chance, 0 <= value < 1. */
  readonly random: () => number;
  readonly topics: { readonly frame: string; readonly event: string };
  /** The next messages of the outbox after that id, in order. */
  readonly more: (afterId: number, limit: number) => T[];
}

interface Flight<T> {
  readonly item: T;
  sentAtMs: number;
  dueAtMs: number;
  repeats: number;
}

/**
 * PROTOCOL 7.4: sends what waits for an answer, oldest first, so many at a time, and sends the same bytes again until the answer comes.
 * What the broker says about a message means nothing.
 */
export class Pump<T extends Sendable> {
  readonly #parts: PumpParts<T>;
  readonly #window = new SendWindow();
  /** By hash, in the order in which they are sent. */
  readonly #flights = new Map<string, Flight<T>>();
  #lastId = 0;
  /** Whether the outbox may hold messages after `#lastId`. */
  #hasMore = false;
  #isReady = false;
  #cancelTimer: Cancel | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(parts: PumpParts<T>) {
    this.#parts = parts;
  }

  /** Messages on the way. */
  get size(): number {
    return this.#flights.size;
  }

  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** A message that was just made: it is the newest of the outbox. */
  offer(item: T): void {
    if (this.#hasMore || this.#flights.size >= this.#window.size) {
      this.#hasMore = true;
      return;
    }
    this.#lastId = Math.max(this.#lastId, item.id);
    this.#launch(item);
  }

  /** Begins anew with the messages of the outbox; `first` go ahead of the others, out of turn. */
  restart(first: readonly T[]): void {
    this.#flights.clear();
    this.#lastId = 0;
    this.#hasMore = true;
    for (const item of first) this.#launch(item);
    this.#refill();
  }

  /** The message of that hash, if it is on the way. */
  find(hash: Uint8Array): T | undefined {
    return this.#flights.get(hashName(hash))?.item;
  }

  /** The frame of that number, if it is on the way. */
  findFrame(epoch: number, number: number): T | undefined {
    for (const { item } of this.#flights.values()) {
      if (item.kind === 'frame' && item.epoch === epoch && item.number === number) return item;
    }
    return undefined;
  }

  /** Its answer came: it is not sent again. */
  settle(hash: Uint8Array): void {
    const name = hashName(hash);
    const flight = this.#flights.get(name);
    if (flight === undefined) return;
    this.#window.answered(flight.sentAtMs, this.#parts.timers.nowMs());
    this.#flights.delete(name);
    this.#refill();
  }

  /** Sends a message out of turn because the ledger asked for it. */
  repeat(item: T): void {
    const flight = this.#flights.get(hashName(item.hash));
    if (flight === undefined) this.#launch(item);
    else if (this.#parts.timers.nowMs() - flight.sentAtMs >= LEAST_REPEAT_MS) this.#send(flight);
  }

  /** There was an answer, but waiting is all that helps: a long pause before the next time. */
  slowDown(hash: Uint8Array): void {
    const flight = this.#flights.get(hashName(hash));
    if (flight === undefined) return;
    flight.dueAtMs = this.#parts.timers.nowMs() + this.#spread(PATIENT_REPEAT_MS);
    this.#arm();
  }

  /** Connected: everything on the way goes out again, in order. */
  ready(): void {
    this.#isReady = true;
    this.#window.restart();
    for (const flight of this.#flights.values()) {
      flight.repeats = 0;
      this.#send(flight);
    }
    this.#refill();
  }

  lost(): void {
    this.#isReady = false;
    this.#disarm();
  }

  stop(): void {
    this.lost();
    this.#flights.clear();
  }

  #refill(): void {
    while (this.#hasMore && this.#flights.size < this.#window.size) {
      const items = this.#parts.more(this.#lastId, this.#window.size - this.#flights.size);
      this.#hasMore = items.length > 0;
      for (const item of items) {
        this.#lastId = item.id;
        if (!this.#flights.has(hashName(item.hash))) this.#launch(item);
      }
    }
  }

  #launch(item: T): void {
    const flight = { item, sentAtMs: Number.NEGATIVE_INFINITY, dueAtMs: Number.POSITIVE_INFINITY, repeats: 0 };
    this.#flights.set(hashName(item.hash), flight);
    this.#send(flight);
  }

  #send(flight: Flight<T>): void {
    if (!this.#isReady) return;
    const { kind, message } = flight.item;
    const topic = kind === 'frame' ? this.#parts.topics.frame : this.#parts.topics.event;
    if (!this.#parts.broker.publish({ topic, payload: message, qos: 1 })) return;
    flight.sentAtMs = this.#parts.timers.nowMs();
    flight.dueAtMs = flight.sentAtMs + this.#spread(Math.min(FIRST_REPEAT_MS * 2 ** flight.repeats, MAX_REPEAT_MS));
    flight.repeats = Math.min(flight.repeats + 1, 16);
    this.#arm();
  }

  #spread(delayMs: number): number {
    return delayMs * (1 - JITTER + 2 * JITTER * this.#parts.random());
  }

  /** One timer, for the message that is due first. It fires early when that one was answered, and looks again. */
  #arm(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { dueAtMs } of this.#flights.values()) nextMs = Math.min(nextMs, dueAtMs);
    if (nextMs >= this.#timerAtMs) return;
    this.#disarm();
    this.#timerAtMs = nextMs;
    this.#cancelTimer = this.#parts.timers.after(nextMs - this.#parts.timers.nowMs(), () => this.#sendDue());
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #sendDue(): void {
    this.#disarm();
    if (!this.#isReady) return;
    const nowMs = this.#parts.timers.nowMs();
    for (const flight of this.#flights.values()) {
      if (flight.dueAtMs > nowMs) continue;
      this.#window.overdue(flight.sentAtMs, nowMs);
      this.#send(flight);
    }
    this.#arm();
  }
}

/** A hash as a key of a map. */
export function hashName(hash: Uint8Array): string {
  let name = '';
  for (const byte of hash) name += String.fromCharCode(byte);
  return name;
}
