import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { difference, median, percentile } from './statistics.js';

const values = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 50 });

describe('percentile', () => {
  it('is the smallest value that so many are not above', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 1_000 }), (list, permille) => {
        const share = permille / 1_000;
        const value = percentile(list, share);
        const notAbove = (limit: number): number => list.filter((one) => one <= limit).length / list.length;
        expect(list).toContain(value);
        expect(notAbove(value)).toBeGreaterThanOrEqual(share);
        for (const smaller of list.filter((one) => one < value)) expect(notAbove(smaller)).toBeLessThan(share);
      }),
    );
  });
});

describe('median', () => {
  it('is the middle one, or the mean of two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

describe('difference', () => {
  it('is the same from either side, as a part of the smaller', () => {
    expect(difference(100, 115)).toBeCloseTo(0.15);
    expect(difference(115, 100)).toBeCloseTo(0.15);
  });
});
