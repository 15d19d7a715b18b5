import type { Cancel, Clock, ClockQuality, Instant, Timers } from '../../core/clock.js';

/** Before this the system's clock was never set: a box without a battery wakes up in 1970. */
const EARLIEST_TRUSTED_MS = Date.UTC(2020, 0, 1);

/** Where the system says that its time comes from. */
export interface ClockSettings {
  readonly source: number;
  readonly errorMs: number;
}

/** Wall time of the operating system; the uptime is that of this process. */
export function systemClock(settings: ClockSettings): Clock {
  const startedMs = performance.now();
  return {
    now() {
      const utcMs = Date.now();
      return { utcMs, uptimeMs: Math.floor(performance.now() - startedMs), quality: qualityAt(utcMs, settings) };
    },
    realMsUntil: (utcMs) => Math.max(0, utcMs - Date.now()),
  };
}

function qualityAt(utcMs: number, { source, errorMs }: ClockSettings): ClockQuality {
  return { source: utcMs < EARLIEST_TRUSTED_MS ? 0 : source, errorMs, ageS: 0 };
}

/** Real time, by the process's own monotonic clock. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after(delayMs, action): Cancel {
    const timer = setTimeout(action, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};

/** `setTimeout` fires at once beyond this. */
const MAX_DELAY_MS = 2 ** 31 - 1;

type Motion =
  | { readonly kind: 'unset' }
  | { readonly kind: 'running'; readonly baseMs: number; readonly startNs: bigint; readonly speed: number }
  | { readonly kind: 'standing'; readonly utcMs: number };

/**
 * Simulated time, one for all boxes of a process: base + speed x (monotonic - start), or standing at the instant that
 * the parent names step by step. Before the parent has said anything it stands at the epoch and is not to be trusted.
 */
export class SimulatedClock implements Clock {
  #motion: Motion = { kind: 'unset' };
  #firstMs: number | undefined;
  #uptimeMs = 0;
  readonly #monotonicNs: () => bigint;
  readonly #errorMs: number;

  constructor(options: { readonly monotonicNs?: () => bigint; readonly errorMs?: number } = {}) {
    this.#monotonicNs = options.monotonicNs ?? (() => process.hrtime.bigint());
    this.#errorMs = options.errorMs ?? 0;
  }

  /** `startNs` is a reading of the machine's monotonic clock; all processes of a demo share the pair. */
  run(motion: { readonly baseMs: number; readonly startNs: bigint; readonly speed: number }): void {
    this.#motion = { kind: 'running', ...motion };
  }

  stand(utcMs: number): void {
    this.#motion = { kind: 'standing', utcMs };
  }

  get isRunning(): boolean {
    return this.#motion.kind === 'running';
  }

  now(): Instant {
    const utcMs = this.#utcMs();
    const isSet = this.#motion.kind !== 'unset';
    if (isSet) {
      this.#firstMs ??= utcMs;
      this.#uptimeMs = Math.max(this.#uptimeMs, Math.floor(utcMs - this.#firstMs));
    }
    return {
      utcMs,
      uptimeMs: this.#uptimeMs,
      quality: { source: isSet ? SIMULATED_SOURCE : 0, errorMs: this.#errorMs, ageS: 0 },
    };
  }

  realMsUntil(utcMs: number): number | undefined {
    if (this.#motion.kind !== 'running') return undefined;
    return Math.max(0, (utcMs - this.#utcMs()) / this.#motion.speed);
  }

  #utcMs(): number {
    const motion = this.#motion;
    if (motion.kind === 'unset') return 0;
    if (motion.kind === 'standing') return motion.utcMs;
    return motion.baseMs + (motion.speed * Number(this.#monotonicNs() - motion.startNs)) / 1e6;
  }
}

/** A simulated clock is as good as the best: what it says is what happened. */
const SIMULATED_SOURCE = 2;
