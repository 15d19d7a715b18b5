import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesEqual } from '../src/bytes.js';
import { type CborKey, type CborValue, cborMap, decodeCbor, encodeCbor } from '../src/cbor.js';
import { fromHex, toHex } from '../src/hex.js';
import vectors from '../vectors/cbor.json' with { type: 'json' };
import { codeOf, hasPublished, published, publishedNote } from './support.js';

const integer = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
);
const key: fc.Arbitrary<CborKey> = fc.oneof(integer, fc.string({ maxLength: 5 }));
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    integer,
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 30 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((pairs) => new Map(pairs)),
  ),
}));

/** Another library's reading; what it lets pass (order, text, floats that are whole) falls out on encoding. */
function isDeterministic(bytes: Uint8Array): boolean {
  try {
    const read: unknown = decode(bytes, {
      useMaps: true,
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      rejectDuplicateMapKeys: true,
    });
    return inProfile(read) && bytesEqual(encode(read, rfc8949EncodeOptions), bytes);
  } catch {
    return false;
  }
}

function inProfile(read: unknown): boolean {
  if (typeof read === 'number') return Number.isSafeInteger(read);
  if (Array.isArray(read)) return read.every(inProfile);
  if (read instanceof Map) return [...read].every(([k, v]) => isKey(k) && inProfile(v));
  return true;
}

/** Keys of the profile are integers and texts; the other library takes any value for one. */
function isKey(read: unknown): boolean {
  return typeof read === 'string' || typeof read === 'bigint' || (typeof read === 'number' && inProfile(read));
}

describe('deterministic CBOR', () => {
  it.each(vectors.good)('reads and writes $desc', ({ bytes }) => {
    expect(toHex(encodeCbor(decodeCbor(fromHex(bytes))))).toBe(bytes);
  });

  it.each(vectors.bad)('refuses $desc', ({ bytes }) => {
    expect(codeOf(() => decodeCbor(fromHex(bytes)))).toBe('bad-cbor');
  });

  it('comes back as it was, and is the encoding of another library', () => {
    fc.assert(
      fc.property(value, (any) => {
        const bytes = encodeCbor(any);
        expect(bytesEqual(encode(any, rfc8949EncodeOptions), bytes)).toBe(true);
        expect(bytesEqual(encodeCbor(decodeCbor(bytes)), bytes)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes a changed encoding exactly when decode, check and encode agree on it', () => {
    const change = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }), cut: fc.boolean() });
    fc.assert(
      fc.property(value, change, (any, { at, to, cut }) => {
        const bytes = encodeCbor(any);
        const place = at % bytes.length;
        const bent = cut ? bytes.slice(0, place) : bytes.with(place, to);
        expect(codeOf(() => decodeCbor(bent)) === 'not refused').toBe(isDeterministic(bent));
      }),
      { numRuns: 20_000 },
    );
  });

  it.runIf(hasPublished)(`agrees with RFC 8949 Appendix A${publishedNote}`, () => {
    const items = published('cbor/rfc7049_8949_appendix_a.json') as {
      hex: string;
      roundtrip: boolean;
      decoded?: unknown;
    }[];
    const outside = /^(c|d|f[0-3789a-f]|f7|5f|7f|9f|bf|83018202039f|83019f|826161bf)/;
    for (const { hex, roundtrip } of items) {
      const read = codeOf(() => decodeCbor(fromHex(hex)));
      if (!roundtrip || outside.test(hex)) expect(read, hex).toBe('bad-cbor');
      else expect(toHex(encodeCbor(decodeCbor(fromHex(hex)))), hex).toBe(hex);
    }
  });

  it('gives numbers where they are safe and bigints where not', () => {
    expect(decodeCbor(fromHex('1b001fffffffffffff'))).toBe(Number.MAX_SAFE_INTEGER);
    expect(decodeCbor(fromHex('1b0020000000000000'))).toBe(2n ** 53n);
    expect(decodeCbor(fromHex('3b001ffffffffffffe'))).toBe(-Number.MAX_SAFE_INTEGER);
    expect(decodeCbor(fromHex('3b001fffffffffffff'))).toBe(-(2n ** 53n));
    expect(toHex(encodeCbor(5n))).toBe('05');
    expect(toHex(encodeCbor(-0))).toBe('00');
  });

  it('leaves out the key of a field without a value', () => {
    expect(
      toHex(
        encodeCbor(
          cborMap([
            [2, undefined],
            [3, 0],
            [1, 'a'],
          ]),
        ),
      ),
    ).toBe('a20161610300');
  });

  it('does not encode what has no place in the profile', () => {
    expect(codeOf(() => encodeCbor(0.5))).toBe('out-of-range');
    expect(codeOf(() => encodeCbor(2 ** 53))).toBe('out-of-range');
    expect(codeOf(() => encodeCbor(2n ** 64n))).toBe('out-of-range');
    expect(
      codeOf(() =>
        encodeCbor(
          new Map<CborKey, CborValue>([
            [1, 0],
            [1n, 0],
          ]),
        ),
      ),
    ).toBe('bad-cbor');
    expect(codeOf(() => encodeCbor(undefined as unknown as CborValue))).toBe('bad-cbor');
    expect(codeOf(() => encodeCbor('\ud800'))).toBe('bad-text');
  });

  it('keeps to the limits and the code it is given', () => {
    expect(codeOf(() => decodeCbor(fromHex('8100'), { maxDepth: 0 }))).toBe('bad-cbor');
    expect(codeOf(() => decodeCbor(fromHex('8100'), { maxDepth: 1 }))).toBe('not refused');
    expect(codeOf(() => decodeCbor(fromHex('8100'), { maxBytes: 1, code: 'bad-answer' }))).toBe('bad-answer');
    expect(codeOf(() => decodeCbor(new Uint8Array(0), { code: 'bad-entry' }))).toBe('bad-entry');
  });
});
