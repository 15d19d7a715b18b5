/** The only place of this package that reads a clock. All clocks say UTC milliseconds and never go back. */
import { LedgerError } from '../../core/errors.js';
import type { Clock } from '../../usecases/ports.js';

/** The machine's time. When it is set back, this clock stands until it is passed again. */
export class RealClock implements Clock {
  readonly #readMs: () => number;
  #lastMs = 0;

  constructor(readMs: () => number = Date.now) {
    this.#readMs = readMs;
  }

  nowMs(): number {
    this.#lastMs = Math.max(this.#lastMs, Math.floor(this.#readMs()));
    return this.#lastMs;
  }
}

export interface SimulatedTime {
  /** Simulated UTC milliseconds at `startNs`. */
  readonly baseMs: number;
  /** The machine's monotonic clock (`process.hrtime`) at which it was `baseMs`; the same for all processes of a machine. */
  readonly startNs: bigint;
  /** Simulated seconds in a real second, above 0. */
  readonly speed: number;
}

const NS_PER_MS = 1e6;

/** now = base + speed * (monotonic - start). Before `startNs` it is `baseMs`. */
export class SimulatedClock implements Clock {
  readonly time: SimulatedTime;
  readonly #readNs: () => bigint;
  #lastMs: number;

  /** Throws 'bad-request' unless `baseMs` is a whole number from 0 and `speed` finite and above 0. */
  constructor(time: SimulatedTime, readNs: () => bigint = process.hrtime.bigint) {
    checkInstant('baseMs', time.baseMs);
    if (!Number.isFinite(time.speed) || time.speed <= 0) {
      throw new LedgerError('bad-request', `speed: expected a number above 0, got ${time.speed}`);
    }
    this.time = time;
    this.#readNs = readNs;
    this.#lastMs = time.baseMs;
  }

  nowMs(): number {
    const { baseMs, startNs, speed } = this.time;
    const elapsedMs = Number(this.#readNs() - startNs) / NS_PER_MS;
    this.#lastMs = Math.max(this.#lastMs, baseMs + Math.floor(speed * elapsedMs));
    return this.#lastMs;
  }
}

/** Stands until it is set: for recorded data and tests. */
export class StepClock implements Clock {
  #nowMs: number;

  constructor(startMs = 0) {
    checkInstant('startMs', startMs);
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** Throws 'bad-request' for an instant before the one it shows. */
  set(instantMs: number): void {
    checkInstant('instantMs', instantMs);
    if (instantMs < this.#nowMs) {
      throw new LedgerError(
        'bad-request',
        `a clock never goes back: expected at least ${this.#nowMs}, got ${instantMs}`,
      );
    }
    this.#nowMs = instantMs;
  }
}

function checkInstant(what: string, instantMs: number): void {
  if (!Number.isSafeInteger(instantMs) || instantMs < 0) {
    throw new LedgerError('bad-request', `${what}: expected whole UTC milliseconds from 0, got ${instantMs}`);
  }
}
