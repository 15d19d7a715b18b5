import { encodeUint } from '@commonwatt/firmware-protocol/registers';
import type { BrokerEvents, BrokerLink, OutMessage } from '../../src/core/broker-link.js';
import type { Cancel, Clock, Instant, Timers } from '../../src/core/clock.js';
import type { MeterLink, RegisterRange } from '../../src/core/meter-link.js';
import { GatewayError } from '../../src/errors.js';
import type { FakeLedger } from './fake-ledger.js';

/** Real time that a test moves: nothing fires but by `advance`. */
export class ManualTimers implements Timers {
  #nowMs = 0;
  #next = 1;
  readonly #waiting = new Map<number, { atMs: number; action: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, action: () => void): Cancel {
    const id = this.#next++;
    this.#waiting.set(id, { atMs: this.#nowMs + Math.max(0, delayMs), action });
    return () => this.#waiting.delete(id);
  }

  /** The process that waited is gone. */
  clear(): void {
    this.#waiting.clear();
  }

  get pending(): number {
    return this.#waiting.size;
  }

  /** Moves on, firing what is due in its order, and lets promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const due = [...this.#waiting].filter(([, { atMs }]) => atMs <= endMs).sort((a, b) => a[1].atMs - b[1].atMs)[0];
      if (due === undefined) break;
      const [id, { atMs, action }] = due;
      this.#waiting.delete(id);
      this.#nowMs = Math.max(this.#nowMs, atMs);
      action();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A clock that stands where a test puts it, or runs with the test's timers. */
export class ManualClock implements Clock {
  utcMs: number;
  uptimeMs = 0;
  quality = { source: 2, errorMs: 20, ageS: 0 };
  runsWith: ManualTimers | undefined;
  #startMs = 0;

  constructor(utcMs: number) {
    this.utcMs = utcMs;
  }

  run(timers: ManualTimers): void {
    this.runsWith = timers;
    this.#startMs = timers.nowMs();
  }

  now(): Instant {
    const ranMs = this.runsWith === undefined ? 0 : this.runsWith.nowMs() - this.#startMs;
    return { utcMs: this.utcMs + ranMs, uptimeMs: this.uptimeMs + ranMs, quality: this.quality };
  }

  realMsUntil(utcMs: number): number | undefined {
    return this.runsWith === undefined ? undefined : Math.max(0, utcMs - this.now().utcMs);
  }
}

/** Undefined: not available. */
export type ReferenceValues = readonly [
  imported: bigint | undefined,
  exported?: bigint | undefined,
  generated?: bigint | undefined,
];

const ABSENT_64 = 0xffff_ffff_ffff_ffffn;

/** A reference meter without a wire. `undefined` values answer "not available"; a failure rejects the next reads. */
export class FakeMeter implements MeterLink {
  values: ReferenceValues = [0n];
  failure: GatewayError | undefined;
  powerW: number | undefined;
  connections = 1;
  requests = 0;
  isClosed = false;

  async read(_unit: number, range: RegisterRange, onSent?: () => void): Promise<readonly number[]> {
    this.requests++;
    onSent?.();
    if (this.failure !== undefined) throw this.failure;
    const words = [0, 1, 2, 3, 4].flatMap((at) => encodeUint(this.values[at] ?? ABSENT_64, 4, 'high-first'));
    const power = this.powerW === undefined ? 0x8000_0000n : BigInt.asUintN(32, BigInt(this.powerW));
    const image = [...words, ...encodeUint(power, 2, 'high-first'), ...encodeUint(4711n, 2, 'high-first')];
    return image.slice(range.address, range.address + range.count);
  }

  close(): void {
    this.isClosed = true;
  }
}

export const unreachable = new GatewayError('meter-unreachable', 'nobody there');

/** A broker in memory, with a ledger behind it. A test decides what is lost, repeated and reordered. */
export class FakeBroker implements BrokerLink {
  readonly published: OutMessage[] = [];
  framesPublished = 0;
  lastWord: OutMessage | undefined;
  /** What becomes of a message on its way to the ledger. */
  toLedger: (message: OutMessage) => boolean = () => true;
  /** What becomes of an answer on its way to the box: the list is delivered. */
  toBox: (answer: Uint8Array) => readonly Uint8Array[] = (answer) => [answer];
  #events: BrokerEvents | undefined;
  #isReady = false;
  readonly #ledger: FakeLedger;
  readonly #prefix: string;

  constructor(ledger: FakeLedger, prefix: string) {
    this.#ledger = ledger;
    this.#prefix = prefix;
  }

  start(events: BrokerEvents): void {
    this.#events = events;
  }

  connect(): void {
    this.#isReady = true;
    this.#events?.onReady();
  }

  disconnect(): void {
    this.#isReady = false;
    this.#events?.onLost('cable pulled');
  }

  publish(message: OutMessage): boolean {
    if (!this.#isReady) return false;
    this.published.push(message);
    if (message.topic === `${this.#prefix}/frame`) this.framesPublished++;
    const leaf = message.topic.slice(this.#prefix.length + 1);
    if ((leaf === 'frame' || leaf === 'event') && this.toLedger(message)) {
      const payload = message.payload.slice();
      queueMicrotask(() => {
        for (const answer of this.#ledger.receive(leaf, payload)) this.answer(answer);
      });
    }
    return true;
  }

  answer(bytes: Uint8Array): void {
    for (const answer of this.toBox(bytes)) this.#events?.onMessage(`${this.#prefix}/answer`, answer);
  }

  async stop(lastWord?: OutMessage): Promise<void> {
    this.lastWord = lastWord;
    this.#isReady = false;
  }

  /** The payloads published on a leaf, in order. */
  on(leaf: string): Uint8Array[] {
    return this.published.filter(({ topic }) => topic === `${this.#prefix}/${leaf}`).map(({ payload }) => payload);
  }
}
