import { LedgerError } from '../../core/errors.js';
import { AnswerBudget } from './answer-budget.js';
import { BatchSize, MAX_BATCH_FRAMES } from './batch-size.js';
import { FairQueue } from './fair-queue.js';
import type { Intake } from './message-bus.js';
import type { GatewayMessage, PumpAnswer, PumpCommunity } from './pump-ledger.js';
import { decidedFrames, type PumpObserver, refusalsIn } from './pump-observer.js';

/** Frames and events of one community that wait for their commit. Above it, a bus that can wait takes in nothing more. */
export const MAX_QUEUED_MESSAGES = 4_096;
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** Where each sender has a connection of its own and nobody else to wait for: above it, whoever sends more is turned away. */
export const MAX_HELD_MESSAGES = 65_536;
export const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** Of one gateway: more than the 500 frames that it may have under way (PROTOCOL 7.4), and each as long as a frame may be. */
export const MAX_HELD_OF_GATEWAY = 512;
export const MAX_HELD_BYTES_OF_GATEWAY = MAX_HELD_OF_GATEWAY * 4_096;
/** Of all together who name a gateway that nobody enrolled. */
export const MAX_HELD_OF_STRANGERS = 1_024;
export const MAX_HELD_BYTES_OF_STRANGERS = 4 * 1024 * 1024;
/** Longest a frame waits for company. */
export const MAX_GATHER_MS = 5;

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

export interface LaneMessage extends GatewayMessage {
  readonly kind: 'frame' | 'event';
}

export interface LaneCounts {
  accepted: number;
  duplicate: number;
  refused: number;
  parked: number;
  events: number;
  /** Messages our own code failed on: dropped, never acknowledged. */
  failed: number;
  /** Messages beyond what may be held of their sender: not acknowledged either. */
  turnedAway: number;
  commits: number;
}

export interface LaneDeps {
  readonly id: string;
  readonly community: PumpCommunity;
  /** Whether the bus stands still until there is room. One that does not has those turned away who send too much. */
  readonly busWaits: boolean;
  readonly monotonicMs: () => number;
  /** Resolves when there may be more; must not reject. */
  readonly deliver: (answers: readonly PumpAnswer[]) => Promise<void>;
  /** Called after every commit. */
  readonly committed: () => void;
  readonly observer?: PumpObserver | undefined;
  readonly log: (line: string) => void;
}

interface Waiting extends LaneMessage {
  readonly enter: () => void;
  readonly keep: () => void;
  readonly lose: (error: Error) => void;
}

/** The line in which all wait together whom nobody enrolled. No gateway has this name (PROTOCOL 1.3). */
const STRANGERS = '';

/**
 * One community's way into its ledger: a bounded queue in front in which gateways take turns, batches of frames in one
 * commit each, and answers only after the commit. So a gateway that sends what it read just now does not wait for those
 * that return with a day's frames. When the store fails, the batch waits and is tried again; nothing is acknowledged
 * meanwhile.
 */
export class IngestLane {
  readonly counts: LaneCounts = {
    ...{ accepted: 0, duplicate: 0, refused: 0, parked: 0, events: 0, failed: 0, turnedAway: 0, commits: 0 },
  };
  readonly #deps: LaneDeps;
  readonly #strangers: AnswerBudget;
  readonly #queue = new FairQueue<Waiting>();
  /** Whose bus waits until there is room; they stand in the queue already. */
  readonly #standing = new Set<Waiting>();
  readonly #wantIdle: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #stopping = false;
  readonly #batchSize = new BatchSize();
  #expected = 0;
  #allHere: (() => void) | undefined;
  #retrySoon: (() => void) | undefined;
  #crowded: (() => void) | undefined;

  constructor(deps: LaneDeps) {
    this.#deps = deps;
    this.#strangers = new AnswerBudget(deps.monotonicMs);
  }

  get queued(): number {
    return this.#queue.size;
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** So many frames are about to come together: a commit waits for them, but not longer than for any others. */
  expect(frames: number): void {
    this.#expected = frames;
  }

  offer(message: LaneMessage): Intake {
    const sender = this.#deps.community.isEnrolled(message.gateway) ? message.gateway : STRANGERS;
    const bytes = message.message.length;
    if (!this.#deps.busWaits && this.#isTooMuch(sender, bytes)) return this.#turnAway(message);
    let enter = () => {};
    const room = new Promise<void>((resolve) => {
      enter = resolve;
    });
    const kept = new Promise<void>((keep, lose) => {
      const waiting = { ...message, enter, keep, lose };
      this.#queue.push(sender, waiting, bytes);
      if (this.#deps.busWaits) this.#standing.add(waiting);
      else enter();
    });
    this.#letIn();
    return { room, kept };
  }

  /** Resolves when nothing waits and nothing is being committed. */
  idle(): Promise<void> {
    if (this.#running === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#wantIdle.push(resolve));
  }

  /** Finishes what waits, except what the store keeps refusing: that is lost to this process and comes again. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#retrySoon?.();
    await this.idle();
  }

  /** A first message always finds a place, and there are no more first ones than gateways that were enrolled. */
  #isTooMuch(sender: string, bytes: number): boolean {
    const held = this.#queue.of(sender);
    if (held.messages === 0) return false;
    const [messagesLimit, bytesLimit] =
      sender === STRANGERS
        ? [MAX_HELD_OF_STRANGERS, MAX_HELD_BYTES_OF_STRANGERS]
        : [MAX_HELD_OF_GATEWAY, MAX_HELD_BYTES_OF_GATEWAY];
    const isOwnFull = held.messages >= messagesLimit || held.bytes + bytes > bytesLimit;
    return isOwnFull || this.#queue.size >= MAX_HELD_MESSAGES || this.#queue.bytes + bytes > MAX_HELD_BYTES;
  }

  #turnAway({ gateway }: LaneMessage): Intake {
    this.counts.turnedAway += 1;
    return { room: Promise.resolve(), kept: Promise.reject(new Error(`too much of gateway ${gateway} is waiting`)) };
  }

  get #isFull(): boolean {
    return this.#queue.size - this.#standing.size >= MAX_QUEUED_MESSAGES || this.#queue.bytes >= MAX_QUEUED_BYTES;
  }

  #letIn(): void {
    for (const next of this.#standing) {
      if (this.#isFull) break;
      this.#standing.delete(next);
      next.enter();
    }
    if (this.#isFull) this.#crowded?.();
    if (this.#queue.size >= this.#expected) this.#allHere?.();
    if (this.#queue.size > 0) this.#running ??= this.#run();
  }

  /** Two batches are under way at most: the signatures of one are looked at while the one before it is committed. */
  async #run(): Promise<void> {
    let before = Promise.resolve();
    while (this.#queue.size > 0) {
      await this.#gather();
      const batch = this.#nextBatch();
      const now = this.#commitUntilKept(batch);
      await before;
      before = now;
      this.#letIn();
      // While more waits, it is gathered beside the commit; else this one has to end first.
      if (this.#queue.size === 0) {
        await before;
        this.#letIn();
      }
    }
    this.#running = undefined;
    for (const resolve of this.#wantIdle.splice(0)) resolve();
  }

  /** Lets the sockets deliver what they have: goes on when a turn brought nothing more, the batch is full or time is up. */
  async #gather(): Promise<void> {
    if (this.#expected > 0) return this.#gatherExpected();
    const until = this.#deps.monotonicMs() + MAX_GATHER_MS;
    let before = -1;
    while (this.#queue.size > before && this.#queue.size < MAX_BATCH_FRAMES && this.#deps.monotonicMs() < until) {
      before = this.#queue.size;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #gatherExpected(): Promise<void> {
    if (this.#queue.size >= this.#expected) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, MAX_GATHER_MS);
      this.#allHere = resolve;
    });
    clearTimeout(timer);
    this.#allHere = undefined;
  }

  /** Frames up to the first event in turn, or one event: what a gateway sent in order is decided in order. */
  #nextBatch(): Waiting[] {
    const batch: Waiting[] = [];
    while (batch.length < this.#batchSize.frames) {
      if (batch.length > 0 && this.#queue.peek()?.kind !== 'frame') break;
      const next = this.#queue.take();
      if (next === undefined) break;
      if (this.#standing.delete(next)) next.enter();
      batch.push(next);
      if (next.kind === 'event') break;
    }
    return batch;
  }

  /** As long as the store fails, at most every five seconds: what was taken in can wait, and nothing else is taken in for it. */
  async #commitUntilKept(batch: readonly Waiting[]): Promise<void> {
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
      try {
        await this.#commit(batch);
        return;
      } catch (error) {
        const problem = error instanceof Error ? error : new Error(String(error));
        const mayPass = problem instanceof LedgerError && (problem.code === 'store' || problem.code === 'conflict');
        if (!mayPass) {
          await this.#commitOneByOne(batch, problem);
          return;
        }
        if (this.#stopping) {
          for (const { lose } of batch) lose(problem);
          return;
        }
        this.#deps.log(`ingest: ${batch.length} messages wait: ${problem.message}`);
        await this.#pauseMs(waitMs);
      }
    }
  }

  /** One message that our own code fails on must not hold up its neighbours. */
  async #commitOneByOne(batch: readonly Waiting[], problem: Error): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      this.counts.failed += 1;
      const { kind, gateway } = only;
      const { id, observer, log } = this.#deps;
      if (observer === undefined) log(`ingest: one ${kind} of gateway ${gateway} dropped: ${problem.message}`);
      else observer.messageDropped({ community: id, gateway, kind, error: problem });
      only.lose(problem);
      return;
    }
    for (const one of batch) await this.#commitUntilKept([one]);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { id, community, monotonicMs, observer } = this.#deps;
    const [first] = batch;
    if (first?.kind === 'event') {
      const answers = await community.handleEvent(first);
      this.counts.events += 1;
      this.#kept(batch);
      await this.#handOut(answers);
      observer?.eventDecided({ community: id, refusals: refusalsIn(answers) });
      return;
    }
    const beganMs = monotonicMs();
    const result = await community.ingestFrames(batch, this.#strangers.available());
    this.#strangers.spend(result.toStrangers);
    const tookMs = monotonicMs() - beganMs;
    this.#batchSize.note(tookMs);
    this.counts.accepted += result.accepted;
    this.counts.duplicate += result.duplicate;
    this.counts.refused += result.refused;
    this.counts.parked += result.parked;
    this.#kept(batch);
    await this.#handOut(result.answers);
    observer?.framesDecided(decidedFrames(id, result, { frames: batch.length, tookMs }));
  }

  /**
   * Waits while too many answers are on their way, but not while the queue of a bus that waits is full: over one connection
   * the broker's word that an answer went out comes behind the messages that find no room.
   */
  async #handOut(answers: readonly PumpAnswer[]): Promise<void> {
    const crowded = new Promise<void>((resolve) => {
      this.#crowded = resolve;
    });
    const delivered = this.#deps.deliver(answers);
    if (!this.#deps.busWaits || !this.#isFull) await Promise.race([delivered, crowded]);
    this.#crowded = undefined;
  }

  #kept(batch: readonly Waiting[]): void {
    this.counts.commits += 1;
    for (const { keep } of batch) keep();
    this.#deps.committed();
  }

  async #pauseMs(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#retrySoon = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#retrySoon = undefined;
  }
}
