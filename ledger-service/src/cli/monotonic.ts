import { performance } from 'node:perf_hooks';

/** Real time in milliseconds since the process began: for time-outs, ticks and progress, never for anything booked. */
export function monotonicMs(): number {
  return performance.now();
}
