import type { Cancel, Timers } from './clock.js';

/** Timers of one owner: all end with it, and what one of them throws is told, not lost. */
export class Alarms {
  readonly #timers: Timers;
  readonly #onFailure: (error: unknown) => void;
  readonly #cancels = new Set<Cancel>();
  #isStopped = false;

  constructor(timers: Timers, onFailure: (error: unknown) => void) {
    this.#timers = timers;
    this.#onFailure = onFailure;
  }

  nowMs(): number {
    return this.#timers.nowMs();
  }

  /** Calls once after so many real milliseconds, unless stopped before. */
  after(delayMs: number, action: () => void): void {
    if (this.#isStopped) return;
    const cancel = this.#timers.after(delayMs, () => {
      this.#cancels.delete(cancel);
      try {
        action();
      } catch (error) {
        this.#onFailure(error);
      }
    });
    this.#cancels.add(cancel);
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }
}
