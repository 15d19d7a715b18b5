import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatCredits,
  formatKwh,
  mulDiv,
  mwh,
  parseCredits,
  parseKwh,
  utcMs,
  utcSeconds,
  wireToMwh,
} from '../src/units.js';
import { codeOf } from './support.js';

const MAX = Number.MAX_SAFE_INTEGER;
const anyMwh = fc.integer({ min: -MAX, max: MAX });

describe('a counter of the wire', () => {
  it.each([
    [0n, -3, 0],
    [1n, -3, 1],
    [1n, 0, 1000],
    [12345678n, 0, 12_345_678_000],
    [7n, 3, 7_000_000],
    [9_007_199n, 6, 9_007_199_000_000_000],
    [BigInt(MAX), -3, MAX],
  ])('of %s x 10^%i Wh is %i mWh', (value, exponent, expected) => {
    expect(wireToMwh(value, exponent)).toBe(expected);
  });

  it('is refused, not rounded, when its mWh pass 2^53 - 1', () => {
    expect(codeOf(() => wireToMwh(BigInt(MAX) + 1n, -3))).toBe('out-of-range');
    expect(codeOf(() => wireToMwh(9_007_199_254_741n, 0))).toBe('out-of-range');
    expect(codeOf(() => wireToMwh(2n ** 64n - 1n, 6))).toBe('out-of-range');
    expect(codeOf(() => wireToMwh(-1n, 0))).toBe('out-of-range');
  });

  it.each([-4, 7, 0.5, Number.NaN])('is refused with the exponent %d', (exponent) => {
    expect(codeOf(() => wireToMwh(1n, exponent))).toBe('out-of-range');
  });
});

describe('whole numbers', () => {
  it.each([0.5, 2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY])(
    'are refused as energy or instant when %d',
    (n) => {
      for (const make of [mwh, utcMs, utcSeconds]) expect(codeOf(() => make(n))).toBe('out-of-range');
    },
  );
});

describe('mulDiv', () => {
  it('is the exact floor and what is left', () => {
    const natural = fc.maxSafeNat();
    fc.assert(
      fc.property(natural, natural, fc.integer({ min: 1, max: MAX }), (a, b, d) => {
        const exact = BigInt(a) * BigInt(b);
        if (exact / BigInt(d) > BigInt(MAX)) {
          expect(codeOf(() => mulDiv(a, b, d))).toBe('out-of-range');
          return;
        }
        const { quotient, remainder } = mulDiv(a, b, d);
        expect(BigInt(quotient) * BigInt(d) + BigInt(remainder)).toBe(exact);
        expect(remainder).toBeGreaterThanOrEqual(0);
        expect(remainder).toBeLessThan(d);
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    [MAX, 1, 1, MAX, 0],
    [MAX, MAX, MAX, MAX, 0],
    [3_002_399_751_580_330, 3, 9_007_199_254_740_990, 1, 0],
    [0, MAX, 1, 0, 0],
    [94_906_267, 94_906_267, 7, 1_286_742_787_982_184, 1],
  ])('%i x %i / %i is %i rest %i', (a, b, d, quotient, remainder) => {
    expect(mulDiv(a, b, d)).toEqual({ quotient, remainder });
  });

  it.each([
    [-1, 1, 1],
    [1, -1, 1],
    [1, 1, 0],
    [1, 1, -1],
    [0.5, 1, 1],
    [1, 2 ** 53, 1],
  ])('refuses %d x %d / %d', (a, b, d) => {
    expect(codeOf(() => mulDiv(a, b, d))).toBe('out-of-range');
  });
});

describe('texts of energy and money', () => {
  it.each([
    [0, '0.000000'],
    [1, '0.000001'],
    [-1, '-0.000001'],
    [1_234_567, '1.234567'],
    [-120_000, '-0.120000'],
    [MAX, '9007199254.740991'],
  ])('%i mWh are %s kWh', (energyMwh, text) => {
    expect(formatKwh(energyMwh)).toBe(text);
    expect(parseKwh(text)).toBe(energyMwh);
  });

  it.each([
    ['1', 1_000_000],
    ['1.5', 1_500_000],
    ['0.000001', 1],
    ['-0', 0],
    ['007.100000', 7_100_000],
  ])('%s kWh are read', (text, energyMwh) => {
    expect(parseKwh(text)).toBe(energyMwh);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '1.',
    '.5',
    '1.2345678',
    '1e3',
    '+1',
    '1,5',
    '0x10',
    'NaN',
    '--1',
    '1.2.3',
    '\u0661',
    `1${'0'.repeat(40)}`,
  ])('refuses %j', (text) => {
    expect(codeOf(() => parseKwh(text))).toBe('bad-number');
    expect(codeOf(() => parseCredits(text))).toBe('bad-number');
  });

  it('refuses kWh past 2^53 - 1 mWh, in both directions', () => {
    expect(codeOf(() => parseKwh('9007199254.740992'))).toBe('out-of-range');
    expect(codeOf(() => formatKwh(2 ** 53))).toBe('out-of-range');
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(anyMwh, (energyMwh) => {
        expect(parseKwh(formatKwh(energyMwh))).toBe(energyMwh === 0 ? 0 : energyMwh);
      }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (micro) => {
        expect(parseCredits(formatCredits(micro))).toBe(micro);
      }),
    );
  });

  it('keep credits past 2^53 exact', () => {
    expect(formatCredits(-120_000n)).toBe('-0.120000');
    expect(formatCredits(2n ** 60n + 1n)).toBe('1152921504606.846977');
    expect(parseCredits('1152921504606.846977')).toBe(2n ** 60n + 1n);
  });
});
