import { LedgerError } from '../../core/errors.js';
import { AnswerBudget } from './answer-budget.js';
import type { Intake } from './message-bus.js';
import type { GatewayMessage, PumpAnswer, PumpCommunity } from './pump-ledger.js';
import { decidedFrames, type PumpObserver, refusalsIn } from './pump-observer.js';

/** Frames and events of one community that wait for their commit. Above it, senders wait. */
export const MAX_QUEUED_MESSAGES = 4_096;
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** Frames a commit takes: above it the disk no longer gets cheaper. */
export const MAX_BATCH_FRAMES = 256;
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
  commits: number;
}

export interface LaneDeps {
  readonly id: string;
  readonly community: PumpCommunity;
  readonly monotonicMs: () => number;
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

/**
 * One community's way into its ledger: a bounded queue in front, batches of frames in one commit each, and answers only
 * after the commit. When the store fails, the batch waits and is tried again; nothing is acknowledged meanwhile.
 */
export class IngestLane {
  readonly counts: LaneCounts = { accepted: 0, duplicate: 0, refused: 0, parked: 0, events: 0, failed: 0, commits: 0 };
  readonly #deps: LaneDeps;
  readonly #strangers: AnswerBudget;
  readonly #waiting: Waiting[] = [];
  /** Handed in while the queue was full. Their senders stand still, so their number is bounded by the connections. */
  readonly #outside: Waiting[] = [];
  readonly #wantIdle: (() => void)[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;
  #stopping = false;
  #expected = 0;
  #allHere: (() => void) | undefined;
  #retrySoon: (() => void) | undefined;
  #crowded: (() => void) | undefined;

  constructor(deps: LaneDeps) {
    this.#deps = deps;
    this.#strangers = new AnswerBudget(deps.monotonicMs);
  }

  get queued(): number {
    return this.#waiting.length;
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** So many frames are about to come together: a commit waits for them, but not longer than for any others. */
  expect(frames: number): void {
    this.#expected = frames;
  }

  offer(message: LaneMessage): Intake {
    let enter = () => {};
    const room = new Promise<void>((resolve) => {
      enter = resolve;
    });
    const kept = new Promise<void>((keep, lose) => {
      this.#outside.push({ ...message, enter, keep, lose });
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

  #hasRoom(): boolean {
    return this.#waiting.length < MAX_QUEUED_MESSAGES && this.#bytes < MAX_QUEUED_BYTES;
  }

  #letIn(): void {
    while (this.#outside.length > 0 && this.#hasRoom()) {
      const next = this.#outside.shift() as Waiting;
      this.#waiting.push(next);
      this.#bytes += next.message.length;
      next.enter();
    }
    if (this.#outside.length > 0) this.#crowded?.();
    if (this.#waiting.length >= this.#expected) this.#allHere?.();
    if (this.#waiting.length > 0) this.#running ??= this.#run();
  }

  /** Two batches are under way at most: the signatures of one are looked at while the one before it is committed. */
  async #run(): Promise<void> {
    let before = Promise.resolve();
    while (this.#waiting.length > 0) {
      await this.#gather();
      const batch = this.#nextBatch();
      const now = this.#commitUntilKept(batch);
      await before;
      before = now;
      this.#letIn();
      // While more waits, it is gathered beside the commit; else this one has to end first.
      if (this.#waiting.length === 0) {
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
    while (
      this.#waiting.length > before &&
      this.#waiting.length < MAX_BATCH_FRAMES &&
      this.#deps.monotonicMs() < until
    ) {
      before = this.#waiting.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #gatherExpected(): Promise<void> {
    if (this.#waiting.length >= this.#expected) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, MAX_GATHER_MS);
      this.#allHere = resolve;
    });
    clearTimeout(timer);
    this.#allHere = undefined;
  }

  /** Frames up to the first event, or one event: what a gateway sent in order is decided in order. */
  #nextBatch(): Waiting[] {
    let count = 0;
    while (count < MAX_BATCH_FRAMES && this.#waiting[count]?.kind === 'frame') count += 1;
    const batch = this.#waiting.splice(0, Math.max(1, count));
    for (const { message } of batch) this.#bytes -= message.length;
    return batch;
  }

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
    this.counts.accepted += result.accepted;
    this.counts.duplicate += result.duplicate;
    this.counts.refused += result.refused;
    this.counts.parked += result.parked;
    this.#kept(batch);
    await this.#handOut(result.answers);
    observer?.framesDecided(decidedFrames(id, result, { frames: batch.length, tookMs }));
  }

  /**
   * Waits until the answers are out, but not while senders stand outside: over one connection the broker's word that an
   * answer went out comes behind the messages that find no room, and each batch would wait in vain.
   */
  async #handOut(answers: readonly PumpAnswer[]): Promise<void> {
    const crowded = new Promise<void>((resolve) => {
      this.#crowded = resolve;
    });
    const delivered = this.#deps.deliver(answers);
    // Nobody may be waiting any more when it fails.
    delivered.catch(() => undefined);
    if (this.#outside.length === 0) await Promise.race([delivered, crowded]);
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
