import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFloat,
  decodeReadings,
  decodeRegister,
  decodeSerial,
  encodeFloat,
  encodeInt,
  encodeUint,
  findProfile,
  floorScaled,
  nearestName,
  planReads,
  planSerialRead,
  profiles,
  REGISTER_SHAPES,
  type RegisterType,
  toStringWords,
  toWords,
} from '../src/registers/index.js';

const INTEGER_TYPES = (Object.keys(REGISTER_SHAPES) as RegisterType[]).filter(
  (type) => REGISTER_SHAPES[type].form !== 'float',
);

describe('encode and decode', () => {
  it('are each other’s inverse for every integer type and word order', () => {
    const cases = fc.record({
      type: fc.constantFrom(...INTEGER_TYPES),
      order: fc.constantFrom('high-first' as const, 'low-first' as const),
      bits: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    });
    fc.assert(
      fc.property(cases, ({ type, order, bits }) => {
        const shape = REGISTER_SHAPES[type];
        const words = encodeUint(BigInt.asUintN(shape.words * 16, bits), shape.words, order);
        expect(toWords(type, decodeRegister(type, words, order), order)).toEqual(words);
      }),
    );
  });

  it('keep every finite float of their width', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(decodeFloat(encodeFloat(value, 2), 'high-first')).toBe(value);
        expect(decodeFloat(encodeFloat(value, 4, 'low-first'), 'low-first')).toBe(value);
      }),
    );
  });

  it('write each sentinel so that it reads as absent', () => {
    for (const type of Object.keys(REGISTER_SHAPES) as RegisterType[]) {
      expect(decodeRegister(type, toWords(type, 'absent'))).toBe('absent');
    }
  });

  it('refuse what does not fit', () => {
    const code = expect.objectContaining({ code: 'bad-register' });
    expect(() => encodeUint(65_536n, 1)).toThrow(code);
    expect(() => encodeUint(-1n, 2)).toThrow(code);
    expect(() => encodeInt(32_768n, 1)).toThrow(code);
    expect(() => encodeFloat(1e39, 2)).toThrow(code);
    expect(() => encodeFloat(Number.NaN, 4)).toThrow(code);
    expect(() => toWords('uint16', 1.5)).toThrow(code);
    expect(() => decodeRegister('uint32', [1])).toThrow(code);
    expect(() => decodeRegister('uint16', [65_536])).toThrow(code);
    expect(() => decodeRegister('uint16', [Number.NaN])).toThrow(code);
    expect(() => decodeFloat([1], 'high-first')).toThrow(code);
  });

  it('floor so that no unit is ever invented', () => {
    const value = fc.oneof(
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
      fc.double({ noNaN: true, min: -1e15, max: 1e15 }),
    );
    fc.assert(
      fc.property(value, fc.integer({ min: -10, max: 10 }), (given, power) => {
        const floored = floorScaled(given, power);
        // floor(x) <= x < floor(x) + 1, checked by scaling back: floor is monotone and exact on its own results.
        expect(floorScaled(floored, 0)).toBe(floored);
        if (typeof given === 'bigint') {
          const up = power >= 0 ? 10n ** BigInt(power) : 1n;
          const down = power >= 0 ? 1n : 10n ** BigInt(-power);
          expect(floored * down <= given * up && given * up < (floored + 1n) * down).toBe(true);
        }
      }),
    );
  });
});

describe('planReads', () => {
  it('reads an SDM630 in one request and an SDM230, whose power stands far off, in two', () => {
    expect(planReads(findProfile('eastron-sdm630'))).toEqual([{ function: 4, address: 52, count: 24 }]);
    expect(planReads(findProfile('eastron-sdm230'))).toEqual([
      { function: 4, address: 12, count: 2 },
      { function: 4, address: 72, count: 4 },
    ]);
  });

  it('reads the reference meter in one request of 24 registers', () => {
    expect(planReads(findProfile('reference'))).toEqual([{ function: 4, address: 0, count: 24 }]);
  });

  it('reads each SunSpec model whole, and only what a shorter or longer model has', () => {
    const profile = findProfile('sunspec-103-203');
    const layout = {
      base: 0,
      models: [
        { id: 1, address: 2, length: 65 },
        { id: 64_110, address: 69, length: 300 },
        { id: 103, address: 371, length: 50 },
        { id: 203, address: 423, length: 200 },
        { id: 203, address: 625, length: 105 },
      ],
    };
    expect(planReads(profile, layout).map(({ address, count }) => ({ address, count }))).toEqual([
      { address: 371, count: 52 },
      { address: 423, count: 125 },
    ]);
    expect(planSerialRead(profile, layout)).toEqual({ function: 3, address: 52, count: 16 });
  });

  it('takes a point beyond the end of a short model as absent', () => {
    const profile = findProfile('sunspec-103-203');
    const layout = { base: 0, models: [{ id: 103, address: 2, length: 24 }] };
    const [block] = planReads(profile, layout);
    expect(block?.count).toBe(26);
    const words = new Array<number>(26).fill(1);
    words.splice(0, 2, 103, 24);
    const { counters } = decodeReadings(profile, [{ block: block!, words }], layout);
    expect(counters.every(({ value }) => value === 'absent')).toBe(true);
  });

  it('says when a SunSpec device has none of the models, or was not walked', () => {
    const profile = findProfile('sunspec-103-203');
    const code = expect.objectContaining({ code: 'bad-sunspec' });
    expect(() => planReads(profile)).toThrow(code);
    expect(() => planReads(profile, { base: 0, models: [{ id: 1, address: 2, length: 66 }] })).toThrow(code);
  });

  it('never plans a read beyond what the device allows', () => {
    for (const profile of Object.values(profiles).filter(({ kind }) => kind === 'table')) {
      for (const block of planReads(profile)) expect(block.count).toBeLessThanOrEqual(profile.maxBlock);
    }
  });
});

describe('decodeReadings', () => {
  it('never throws on the device’s account, whatever words come', () => {
    const words = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.double()), { maxLength: 130 });
    fc.assert(
      fc.property(fc.constantFrom('reference', 'eastron-sdm630', 'eastron-sdm230'), words, (name, given) => {
        const profile = findProfile(name);
        for (const block of planReads(profile)) {
          const { counters } = decodeReadings(profile, [{ block, words: given }]);
          expect(counters.length).toBe(profile.channels.length);
          expect(counters.every(({ value }) => value === 'absent' || (value >= 0n && value < 1n << 64n))).toBe(true);
        }
      }),
    );
  });

  it('reads serial numbers as text and as integers', () => {
    const sunspec = findProfile('sunspec-103-203');
    expect(decodeSerial(sunspec, toStringWords('7E1504A2', 16))).toBe('7E1504A2');
    expect(decodeSerial(sunspec, toStringWords('ABC             ', 16))).toBe('ABC');
    expect(decodeSerial(sunspec, toStringWords('', 16))).toBeUndefined();
    expect(decodeSerial(findProfile('eastron-sdm630'), [0x0102, 0x0304])).toBe('16909060');
    expect(decodeSerial(findProfile('eastron-sdm630'), [0xffff, 0xffff])).toBeUndefined();
  });
});

describe('names', () => {
  it('refuses a profile it does not know and names the nearest', () => {
    const refused = expect.objectContaining({
      code: 'unknown-profile',
      message: expect.stringContaining('eastron-sdm630'),
    });
    expect(() => findProfile('eastron-smd630')).toThrow(refused);
    expect(() => findProfile('toString')).toThrow(expect.objectContaining({ code: 'unknown-profile' }));
  });

  it.each([
    ['intervall', ['interval', 'netting'], 'interval'],
    ['pirce', ['price', 'pier', 'piece'], 'price'],
    ['MAX-KW', ['max-kw', 'missing'], 'max-kw'],
    ['nettng', ['missing', 'netting'], 'netting'],
    ['zzz', ['abc'], undefined],
    ['x', [], undefined],
  ])('finds for %s among %j: %s', (wrong, candidates, nearest) => {
    expect(nearestName(wrong, candidates)).toBe(nearest);
  });
});
