import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MbapWatch } from '../src/core/mbap-watch.js';

function answer(words: number): Buffer {
  const body = Buffer.alloc(3 + 2 * words);
  body.set([1, 4, 2 * words]);
  return Buffer.concat([Buffer.of(0, 7, 0, 0, 0, body.length), body]);
}

const EXCEPTION = Buffer.of(0, 8, 0, 0, 0, 3, 1, 0x84, 2);

describe('what comes from a meter’s address', () => {
  it('passes as answers and exceptions, however the stream is cut', () => {
    const answers = fc.array(fc.oneof(fc.integer({ min: 0, max: 125 }).map(answer), fc.constant(EXCEPTION)), {
      maxLength: 8,
    });
    const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(answers, cuts, (list, lengths) => {
        const stream = Buffer.concat(list);
        const watch = new MbapWatch();
        for (let at = 0, n = 0; at < stream.length; n += 1) {
          const end = at + (lengths[n % lengths.length] ?? 1);
          expect(watch.accept(stream.subarray(at, end))).toBe(true);
          at = end;
        }
      }),
    );
  });

  it.each([
    ['of another protocol', 2, 1],
    ['of another protocol, in its second byte', 3, 1],
    ['longer than any answer', 4, 1],
    ['shorter than any answer', 5, 2],
    ['with a length beyond the largest', 5, 255],
    ['with a count of bytes that does not fill it', 8, 6],
    ['with an odd count of bytes', 8, 7],
    ['with an exception that goes on', 7, 0x84],
  ])('does not pass %s, also behind a good answer', (_, at, byte) => {
    const bent = answer(4);
    bent[at] = byte;
    expect(new MbapWatch().accept(bent)).toBe(false);
    expect(new MbapWatch().accept(Buffer.concat([answer(2), EXCEPTION, bent]))).toBe(false);
  });
});
