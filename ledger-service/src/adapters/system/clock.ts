/** The only place of this package that reads a clock. All clocks say UTC milliseconds and never go back. */
import { LedgerError } from '../../core/errors.js';
import type { Clock } from '../../usecases/ports.js';

/** The machine's clock may be corrected by so much at once without a question. */
const LEAP_MS = 5 * 60_000;
/** A leap ahead is believed when it has lasted so long: a machine that slept, or a clock that was put right. */
const BELIEVED_AFTER_MS = 60_000;
/** No machine sleeps longer while this process runs. */
const LONGEST_SLEEP_MS = 366 * 86_400_000;
/** Before this the machine's clock was never set: a machine without a battery wakes up in 1970. */
const EARLIEST_SET_MS = Date.UTC(2020, 0, 1);

interface Doubt {
  readonly sinceMs: number;
  readonly leapMs: number;
}

/**
 * The machine's time. It is compared with the monotonic clock, which nobody can set, since what is received under a wrong
 * time stays in the log. Set back a little, it stands until it is passed again. Set back by more than LEAP_MS, it goes on at
 * its own pace. Leapt ahead, it has no time to give until the leap has passed or has lasted for a minute.
 */
export class RealClock implements Clock {
  readonly #readMs: () => number;
  readonly #monotonicMs: () => number;
  #lastMs = 0;
  #lastMonotonicMs: number | undefined;
  #doubt: Doubt | undefined;

  constructor(readMs: () => number = Date.now, monotonicMs: () => number = () => performance.now()) {
    this.#readMs = readMs;
    this.#monotonicMs = monotonicMs;
  }

  /** Throws LedgerError 'store' while a leap ahead is not believed: nothing is received, settled or written meanwhile. */
  nowMs(): number {
    const wallMs = Math.floor(this.#readMs());
    const monotonicMs = this.#monotonicMs();
    const elapsedMs = this.#lastMonotonicMs === undefined ? 0 : monotonicMs - this.#lastMonotonicMs;
    const ownMs = this.#lastMs + Math.floor(elapsedMs);
    const leapMs = wallMs - ownMs;
    if (this.#lastMs < EARLIEST_SET_MS || Math.abs(leapMs) <= LEAP_MS) {
      this.#doubt = undefined;
      return this.#show(Math.max(this.#lastMs, wallMs), monotonicMs);
    }
    this.#doubt = this.#doubtOf(leapMs, monotonicMs);
    if (leapMs < 0) return this.#show(ownMs, this.#lastMonotonicMs! + Math.floor(elapsedMs));
    if (leapMs <= LONGEST_SLEEP_MS && monotonicMs - this.#doubt.sinceMs >= BELIEVED_AFTER_MS) {
      this.#doubt = undefined;
      return this.#show(wallMs, monotonicMs);
    }
    throw new LedgerError(
      'store',
      `${this.doubt()}: nothing is received until it is right again, or has stayed so for a minute`,
    );
  }

  /** What is wrong with the machine's clock, as far as it was seen when the time was last asked. */
  doubt(): string | undefined {
    if (this.#doubt === undefined) return undefined;
    const { leapMs } = this.#doubt;
    const what = leapMs > 0 ? 'leapt ahead' : 'was set back';
    const more =
      leapMs > 0 ? '' : '; this service goes on at its own pace, restart it if the new time is the right one';
    return `the clock of this machine ${what} by ${Math.round(Math.abs(leapMs) / 1000)} s${more}`;
  }

  #doubtOf(leapMs: number, monotonicMs: number): Doubt {
    const isSame = this.#doubt !== undefined && Math.abs(this.#doubt.leapMs - leapMs) <= LEAP_MS;
    return isSame ? { ...this.#doubt!, leapMs } : { sinceMs: monotonicMs, leapMs };
  }

  #show(nowMs: number, monotonicMs: number): number {
    this.#lastMs = nowMs;
    this.#lastMonotonicMs = monotonicMs;
    return nowMs;
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
