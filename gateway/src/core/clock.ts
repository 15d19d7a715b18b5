/**
 * Two kinds of time, kept apart. The **clock** says when something was measured: wall time, or the simulated time of a
 * demo or a replay. The **timers** say how long to wait for a network: always real time, whatever the clock shows.
 */

/** How far the clock can be trusted (PROTOCOL 2.5). */
export interface ClockQuality {
  /** 0 none, 1 holdover, 2 NTP, 3 GNSS, 4 relative only. */
  readonly source: number;
  readonly errorMs: number;
  /** Seconds since the clock was last set right. */
  readonly ageS: number;
}

/** One look at the clock. */
export interface Instant {
  /** UTC milliseconds. */
  readonly utcMs: number;
  /** Milliseconds since this process began, on a clock that is never set. */
  readonly uptimeMs: number;
  readonly quality: ClockQuality;
}

/**
 * The clock of measurement. Contract: `now` never throws; `uptimeMs` never falls; `realMsUntil` is 0 when the instant
 * has passed and undefined when this clock does not move by itself, so that waiting for it would never end.
 */
export interface Clock {
  now(): Instant;
  realMsUntil(utcMs: number): number | undefined;
}

export type Cancel = () => void;

/** Real time. Contract: `after` calls once, never synchronously; cancelling twice, or late, does nothing. */
export interface Timers {
  /** Monotonic milliseconds with an arbitrary beginning. */
  nowMs(): number;
  after(delayMs: number, action: () => void): Cancel;
}

/** A promise of a pause in real time. */
export function pause(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(delayMs, resolve);
  });
}
