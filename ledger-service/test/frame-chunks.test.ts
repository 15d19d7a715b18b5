import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexIn, withIndex } from '../src/core/frame-chunks.js';
import { CHUNK_NUMBERS } from '../src/core/rows.js';

const numbers = fc.integer({ min: 0, max: CHUNK_NUMBERS - 1 });
const indices = fc.maxSafeNat().map((n) => n % (2 ** 48 - 1));

describe('the numbers of a row', () => {
  it('keep the entries they became, in whatever order they came, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(numbers, indices), { maxLength: 100 }), fc.nat(2 ** 40), (entries, row) => {
        const first = row * CHUNK_NUMBERS;
        const model = new Map(entries);
        let chunk: Uint8Array | undefined;
        for (const [at, index] of entries) chunk = withIndex(chunk, first + at, index);
        for (let at = 0; at < CHUNK_NUMBERS; at++) expect(indexIn(chunk, first + at)).toBe(model.get(at));
      }),
    );
  });

  it('leave the row they were added to as it was', () => {
    const before = withIndex(undefined, 5, 1);
    const copy = before.slice();
    withIndex(before, 6, 2);
    withIndex(before, 5, 3);
    expect(before).toEqual(copy);
  });

  it.each([-1, Number.NaN, 2 ** 48 - 1, 2 ** 53])('refuse %d as an index', (index) => {
    expect(() => withIndex(undefined, 1, index)).toThrow(expect.objectContaining({ code: 'invariant' }));
  });
});
