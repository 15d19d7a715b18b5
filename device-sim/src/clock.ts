/** Simulated UTC milliseconds, or undefined as long as nobody has said what time it is. Never goes back. */
export interface SimClock {
  nowMs(): number | undefined;
}

/** What a parent hands to all its children: simulated time `baseMs` was at `startNs` of the machine's monotonic clock. */
export interface ClockSetting {
  readonly baseMs: number;
  readonly startNs: bigint;
  /** Simulated milliseconds per real one. */
  readonly speed: number;
}

/** A clock that can be set to run or to stand, and forgets every setting that would turn it back. */
export class SettableClock implements SimClock {
  readonly #monotonicNs: () => bigint;
  #running: ClockSetting | undefined;
  #newestMs: number | undefined;

  constructor(monotonicNs: () => bigint) {
    this.#monotonicNs = monotonicNs;
  }

  run(setting: ClockSetting): void {
    this.#running = setting;
  }

  /** Stands at that moment until it is set again. */
  stand(timeMs: number): void {
    this.#running = undefined;
    this.#newestMs = Math.max(this.#newestMs ?? timeMs, timeMs);
  }

  nowMs(): number | undefined {
    if (this.#running !== undefined) {
      const { baseMs, startNs, speed } = this.#running;
      const elapsedMs = Number(this.#monotonicNs() - startNs) / 1e6;
      const timeMs = baseMs + Math.floor(Math.max(0, elapsedMs) * speed);
      this.#newestMs = Math.max(this.#newestMs ?? timeMs, timeMs);
    }
    return this.#newestMs;
  }
}
