import { MW_MS_PER_MWH } from './flow.js';

/** A lifetime counter: whole mWh, and what has not become one yet in mW ms, 0 <= rest < 3,600,000. */
export interface Counter {
  readonly energyMwh: number;
  readonly restMwMs: number;
}

/** Exact: `powerMw` for `durationMs` adds to the rest, whole mWh are carried over. Both are integers >= 0. */
export function addEnergy(counter: Counter, powerMw: number, durationMs: number): Counter {
  const restMwMs = counter.restMwMs + powerMw * durationMs;
  const wholeMwh = Math.floor(restMwMs / MW_MS_PER_MWH);
  return { energyMwh: counter.energyMwh + wholeMwh, restMwMs: restMwMs - wholeMwh * MW_MS_PER_MWH };
}
