import type { Cancel, Clock, Timers } from './clock.js';
import { nextPoll, type PollGrid, passesEdge } from './schedule.js';

/** A timer never sleeps longer than this, so that a clock that is set is noticed. */
const LONGEST_SLEEP_MS = 60_000;

export interface RoundsParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly grid: PollGrid;
  /** One round of polls; must not throw. */
  readonly run: (due: { readonly isEdge: boolean }) => Promise<void>;
}

/**
 * Calls `run` at every point of the grid, one round at a time. A round that comes late, because the one before took long
 * or the machine slept, is made once, as an edge if one has passed meanwhile: its readings carry their true time.
 */
export class Rounds {
  readonly #parts: RoundsParts;
  #cancel: Cancel | undefined;
  #isRunning = false;
  #isStarted = false;
  /** The clock when the newest round was due. */
  #lastDueMs = 0;

  constructor(parts: RoundsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#isStarted = true;
    this.restart();
  }

  /** The clock has been set, started or stopped: what is due is asked anew. */
  restart(): void {
    if (!this.#isStarted) return;
    this.#lastDueMs = this.#parts.clock.now().utcMs;
    this.#arm();
  }

  stop(): void {
    this.#isStarted = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!this.#isStarted || this.#isRunning) return;
    const { clock, timers, grid } = this.#parts;
    const waitMs = clock.realMsUntil(nextPoll(grid, this.#lastDueMs).atMs);
    if (waitMs === undefined) return;
    this.#cancel = timers.after(Math.min(waitMs, LONGEST_SLEEP_MS), () => void this.#wake());
  }

  async #wake(): Promise<void> {
    const { clock, grid, run } = this.#parts;
    const nowMs = clock.now().utcMs;
    // Set back by more than a round: the grid begins again here.
    if (nowMs < this.#lastDueMs - grid.intervalS * 1000) this.#lastDueMs = nowMs;
    if (nextPoll(grid, this.#lastDueMs).atMs <= nowMs) {
      const isEdge = passesEdge(grid, this.#lastDueMs, nowMs);
      this.#lastDueMs = nowMs;
      this.#isRunning = true;
      try {
        await run({ isEdge });
      } finally {
        this.#isRunning = false;
      }
    }
    this.#arm();
  }
}
