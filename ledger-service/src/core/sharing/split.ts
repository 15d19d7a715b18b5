/**
 * The one place where something is divided. Every split gives each index floor(total x weight / sum of weights) and then
 * one unit more to the largest remainders, until the parts add up to the total again. Two equal remainders are told apart
 * by a hash, never by their place in the list: the first in a list would be favoured in every interval of its life.
 *
 * No part exceeds a weight when the total does not exceed the sum of the weights: an exact share below a whole weight has a
 * floor at least one below it, and an exact share that is whole has no remainder and gets no unit.
 */
import { compareBytes, mulDiv } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../errors.js';
import { nthLargest } from './nth-largest.js';

/** The hash that settles a tie for an index: of two, the smaller comes first (LOG 8.2). Asked only where a tie decides. */
export type Tie = (index: number) => Uint8Array;

export interface Split<Total> {
  /** >= 0 */
  readonly total: Total;
  /** Safe integers >= 0 whose sum is a safe integer. */
  readonly weights: ArrayLike<number>;
  readonly tie: Tie;
}

/**
 * Splits a safe integer. The parts are safe integers and sum to the total; all are 0 where the weights sum to 0.
 * Throws LedgerError `invariant` for a total or weights out of range.
 */
export function splitByLargestRemainder({ total, weights, tie }: Split<number>): Float64Array {
  if (!Number.isSafeInteger(total) || total < 0) throw outOfRange('total', total);
  const { sum, largest } = measure(weights);
  const parts = new Float64Array(weights.length);
  if (sum === 0 || total === 0) return parts;
  const remainders = new Float64Array(weights.length);
  const divide = total * largest <= Number.MAX_SAFE_INTEGER ? divideSafe : divideAny;
  const left = divide({ total, weights, sum }, parts, remainders);
  giveLeftOver({ left, remainders, tie, give: (i) => (parts[i]! += 1) });
  return parts;
}

interface Division {
  readonly total: number;
  readonly weights: ArrayLike<number>;
  readonly sum: number;
}

/** Fills in quotients and remainders of total x weight / sum; returns what is left of the total. No product passes 2^53. */
function divideSafe({ total, weights, sum }: Division, parts: Float64Array, remainders: Float64Array): number {
  let left = total;
  for (let i = 0; i < weights.length; i++) {
    const product = total * weights[i]!;
    // The nearest float may be the whole number above the true quotient: then one step back.
    let quotient = Math.floor(product / sum);
    if (quotient * sum > product) quotient -= 1;
    parts[i] = quotient;
    remainders[i] = product - quotient * sum;
    left -= quotient;
  }
  return left;
}

/** The same for products of any size. */
function divideAny({ total, weights, sum }: Division, parts: Float64Array, remainders: Float64Array): number {
  let left = total;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    const { quotient, remainder } = mulDiv(total, weights[i]!, sum);
    parts[i] = quotient;
    remainders[i] = remainder;
    left -= quotient;
  }
  return left;
}

/** The same for money, which may pass 2^53. Throws LedgerError `invariant` for a negative total or weights out of range. */
export function splitMoneyByLargestRemainder({ total, weights, tie }: Split<bigint>): bigint[] {
  if (total < 0n) throw outOfRange('total', total);
  if (total <= BigInt(Number.MAX_SAFE_INTEGER)) {
    return Array.from(splitByLargestRemainder({ total: Number(total), weights, tie }), BigInt);
  }
  const sum = BigInt(measure(weights).sum);
  const parts = new Array<bigint>(weights.length).fill(0n);
  if (sum === 0n) return parts;
  const remainders = new Float64Array(weights.length);
  let left = total;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    const product = total * BigInt(weights[i]!);
    const quotient = product / sum;
    parts[i] = quotient;
    // Below the sum of the weights, so safe.
    remainders[i] = Number(product % sum);
    left -= quotient;
  }
  giveLeftOver({ left: Number(left), remainders, tie, give: (i) => (parts[i]! += 1n) });
  return parts;
}

interface LeftOver {
  /** 0 <= left < number of remainders above 0: the remainders sum to left x sum of weights, and each is below that sum. */
  readonly left: number;
  readonly remainders: Float64Array;
  readonly tie: Tie;
  readonly give: (index: number) => void;
}

function giveLeftOver({ left, remainders, tie, give }: LeftOver): void {
  if (left === 0) return;
  const threshold = nthLargest(remainders.slice(), left);
  const level: number[] = [];
  let open = left;
  for (let i = 0; i < remainders.length; i++) {
    if (remainders[i]! < threshold) continue;
    if (remainders[i] === threshold) level.push(i);
    else {
      give(i);
      open--;
    }
  }
  for (const i of level.length === open ? level : firstByTie(level, open, tie)) give(i);
}

function firstByTie(level: readonly number[], count: number, tie: Tie): number[] {
  const hashed = level.map((index) => ({ index, hash: tie(index) }));
  hashed.sort((a, b) => compareBytes(a.hash, b.hash));
  return hashed.slice(0, count).map(({ index }) => index);
}

function measure(weights: ArrayLike<number>): { readonly sum: number; readonly largest: number } {
  let sum = 0;
  let largest = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    if (!Number.isSafeInteger(weight) || weight < 0) throw outOfRange('weight', weight);
    sum += weight;
    if (weight > largest) largest = weight;
  }
  // Rounding cannot hide an overflow: adding to a value past 2^53 never brings it back below.
  if (!Number.isSafeInteger(sum)) throw outOfRange('sum of weights', sum);
  return { sum, largest };
}

function outOfRange(what: string, got: number | bigint): LedgerError {
  return new LedgerError('invariant', `split: expected a whole ${what} from 0 to 2^53 - 1, got ${got}`);
}
