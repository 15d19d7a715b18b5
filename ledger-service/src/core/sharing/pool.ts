/** What a sharing rule sees of one interval: amounts by index, and a way to settle ties. Neither names nor places in a list. */
import type { Tie } from './split.js';

export interface Pool {
  /** What each unit of allocation needs of its neighbours, mWh >= 0; the sum is a safe integer. */
  readonly needsMwh: ArrayLike<number>;
  /** What each unit offers, mWh >= 0, by the same index; the sum is a safe integer. */
  readonly offersMwh: ArrayLike<number>;
  readonly tie: Tie;
}

/**
 * Who receives how much, mWh by the index of the needs. For every rule: 0 <= received <= need, the parts sum to at most
 * min(needs, offers), and the order of the list changes nothing. The sum is the shared energy of the interval.
 */
export type ConsumerRule = (pool: Pool) => Float64Array;

/** Who delivers how much of the shared energy, mWh by the index of the offers: 0 <= delivered <= offer, summing to `sharedMwh`. */
export type ProducerRule = (pool: Pool, sharedMwh: number) => Float64Array;

export function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}
