/**
 * Dynamic pro rata: what is on offer goes to those who need it in proportion to what they need in that very interval.
 * With S = min(sum of offers, sum of needs) consumer i receives S x need_i / sum of needs. S is at most the sum of the
 * needs, so nobody can receive more than needed and one pass is enough.
 */
import type { Pool } from './pool.js';
import { sumOf } from './pool.js';
import { splitByLargestRemainder } from './split.js';

export function receiveDynamicProRata({ needsMwh, offersMwh, tie }: Pool): Float64Array {
  const sharedMwh = Math.min(sumOf(needsMwh), sumOf(offersMwh));
  return splitByLargestRemainder({ total: sharedMwh, weights: needsMwh, tie });
}

/** Producer j delivers S x offer_j / sum of offers. Wants `sharedMwh` <= sum of the offers. */
export function deliverProRata({ offersMwh, tie }: Pool, sharedMwh: number): Float64Array {
  return splitByLargestRemainder({ total: sharedMwh, weights: offersMwh, tie });
}
