import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LedgerError } from '../src/core/errors.js';
import { nthLargest } from '../src/core/sharing/nth-largest.js';
import { type Split, splitByLargestRemainder, splitMoneyByLargestRemainder } from '../src/core/sharing/split.js';
import { nodeHasher, referenceSplit } from './support/settlement-reference.js';

const tie = (index: number) => nodeHasher.sha256(Uint8Array.of(index & 255, index >> 8));
/** The parts as a list. */
const splitInto = (split: Split<number>): number[] => [...splitByLargestRemainder(split)];
const noTie = (): Uint8Array => {
  throw new Error('a hash was asked for without need');
};
const sum = (parts: Iterable<number>) => [...parts].reduce((a, b) => a + b, 0);

const weight = fc.oneof(
  fc.integer({ min: 0, max: 4 }),
  fc.integer({ min: 0, max: 1e6 }),
  fc.integer({ min: 0, max: 1e12 }),
);
const weightLists = fc.oneof(
  fc.array(weight, { maxLength: 500, size: 'max' }),
  fc.tuple(weight, fc.integer({ min: 0, max: 500 })).map(([same, count]) => new Array<number>(count).fill(same)),
);

describe('splitting energy', () => {
  it('gives the odd unit to the largest remainder', () => {
    expect(splitInto({ total: 1_450_000, weights: [901_234, 700_000, 398_766], tie: noTie })).toEqual([
      653_395, 507_500, 289_105,
    ]);
  });

  it('splits 1 mWh over three equal members and loses nothing', () => {
    const parts = splitInto({ total: 1, weights: [5, 5, 5], tie });
    expect([...parts].sort()).toEqual([0, 0, 1]);
  });

  it('gives an odd unit in a tie to the smallest hash', () => {
    const hashes = [Uint8Array.of(3), Uint8Array.of(1), Uint8Array.of(2)];
    expect(splitInto({ total: 1, weights: [5, 5, 5], tie: (i) => hashes[i]! })).toEqual([0, 1, 0]);
    expect(splitInto({ total: 2, weights: [5, 5, 5], tie: (i) => hashes[i]! })).toEqual([0, 1, 1]);
  });

  it('asks for no hash where the tie is not on the boundary', () => {
    // 2.25, 2.25, 1.5: one unit left, for the third.
    expect(splitInto({ total: 6, weights: [3, 3, 2], tie: noTie })).toEqual([2, 2, 2]);
    // 0.75, 0.75, 1.5: two units left, for both of the equals.
    expect(splitInto({ total: 3, weights: [1, 1, 2], tie: noTie })).toEqual([1, 1, 1]);
  });

  it('gives everyone nothing where nobody weighs anything', () => {
    expect(splitInto({ total: 7, weights: [0, 0], tie: noTie })).toEqual([0, 0]);
    expect(splitInto({ total: 7, weights: [], tie: noTie })).toEqual([]);
    expect(splitMoneyByLargestRemainder({ total: 7n, weights: [0, 0], tie: noTie })).toEqual([0n, 0n]);
    expect(splitMoneyByLargestRemainder({ total: 2n ** 60n, weights: [0, 0], tie: noTie })).toEqual([0n, 0n]);
  });

  it('never gives a unit to who weighs nothing', () => {
    fc.assert(
      fc.property(weightLists, fc.integer({ min: 0, max: 1e12 }), (weights, total) => {
        const parts = splitInto({ total, weights, tie });
        for (const [i, part] of parts.entries()) if (weights[i] === 0) expect(part).toBe(0);
      }),
    );
  });

  it('sums to the total, caps each part by its weight, and agrees with a naive reference', () => {
    fc.assert(
      fc.property(weightLists, fc.double({ min: 0, max: 1, noNaN: true }), (weights, share) => {
        const total = Math.floor(sum(weights) * share);
        const parts = splitInto({ total, weights, tie });
        expect(sum(parts)).toBe(total);
        expect(parts.every((part, i) => part >= 0 && part <= weights[i]!)).toBe(true);
        const hashes = weights.map((_, i) => tie(i));
        expect(Array.from(parts, BigInt)).toEqual(referenceSplit(BigInt(total), weights.map(BigInt), hashes));
      }),
    );
  });

  it('does not depend on the order of the list', () => {
    fc.assert(
      fc.property(weightLists, fc.double({ min: 0, max: 1, noNaN: true }), (weights, share) => {
        const total = Math.floor(sum(weights) * share);
        const last = weights.length - 1;
        const forward = splitInto({ total, weights, tie });
        const backward = splitInto({ total, weights: weights.toReversed(), tie: (i) => tie(last - i) });
        expect(backward.toReversed()).toEqual(forward);
      }),
    );
  });

  it('refuses totals and weights that are not whole, negative, or too large to sum', () => {
    for (const total of [-1, 0.5, 2 ** 53, Number.NaN])
      expect(() => splitInto({ total, weights: [1], tie })).toThrow(LedgerError);
    for (const weights of [[-1], [0.5, 0.5], [2 ** 53], [2 ** 53 - 1, 1], [Number.NaN]]) {
      expect(() => splitInto({ total: 1, weights, tie })).toThrow(LedgerError);
    }
    expect(() => splitMoneyByLargestRemainder({ total: -1n, weights: [1], tie })).toThrow(LedgerError);
  });
});

describe('splitting money', () => {
  it('agrees with a naive reference up to 63 bits', () => {
    const total = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 53n + 5n }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }));
    fc.assert(
      fc.property(weightLists, total, (weights, money) => {
        const parts = splitMoneyByLargestRemainder({ total: money, weights, tie });
        const hashes = weights.map((_, i) => tie(i));
        expect(parts).toEqual(referenceSplit(money, weights.map(BigInt), hashes));
        if (sum(weights) > 0) expect(parts.reduce((a, b) => a + b, 0n)).toBe(money);
      }),
    );
  });

  it('gives the same parts on both sides of 2^53', () => {
    const weights = [1, 2, 4];
    for (const total of [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n]) {
      const hashes = weights.map((_, i) => tie(i));
      expect(splitMoneyByLargestRemainder({ total, weights, tie })).toEqual(
        referenceSplit(total, [1n, 2n, 4n], hashes),
      );
    }
  });
});

describe('the n-th largest', () => {
  it('is what sorting says, for sorted, equal and random values', () => {
    const value = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 1e15 }));
    const lists = fc.array(value, { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(lists, fc.nat(), fc.constantFrom('as drawn', 'rising', 'falling'), (values, place, order) => {
        const falling = values.toSorted((a, b) => b - a);
        const given = order === 'as drawn' ? values : order === 'falling' ? falling : falling.toReversed();
        const n = (place % values.length) + 1;
        expect(nthLargest(Float64Array.from(given), n)).toBe(falling[n - 1]);
      }),
    );
  });
});
