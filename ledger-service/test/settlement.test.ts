import { readdirSync } from 'node:fs';
import { nobleSha256 } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LedgerError } from '../src/core/errors.js';
import type { RuleSettings } from '../src/core/records/index.js';
import { MAX_AMOUNT_MICRO } from '../src/core/settlement.js';
import { type MeterEnergy, settleMeters } from './support/meter-settlement.js';
import { randomMeters, randomRules, shuffledWith } from './support/random-community.js';
import { lineRow, nodeHasher, referenceSettlement, totalsRow } from './support/settlement-reference.js';
import { previousLinesOf, readSettlementVector, settleVector, VECTOR_FOLDER } from './support/settlement-vector.js';

const RULES: RuleSettings = {
  netting: 0,
  consumerRule: 1,
  producerRule: 1,
  priceMicroPerKwh: 120_000,
  levyBasisPoints: 0,
};
const START_S = 1_717_236_000;

function settle(meters: readonly MeterEnergy[], rules: Partial<RuleSettings> = {}) {
  const settings = { ...RULES, ...rules };
  return settleMeters({
    community: 'c',
    startS: START_S,
    version: 1,
    rules: settings,
    meters,
    hasher: nodeHasher,
  });
}

function meter(id: string, importMwh: number, exportMwh = 0): MeterEnergy {
  return { member: id, meter: id, importMwh, exportMwh, complete: true, quality: 0 };
}

describe('worked examples', () => {
  const files = readdirSync(VECTOR_FOLDER).filter((name) => name.startsWith('settlement-'));

  it.each(files)('%s', (file) => {
    const vector = readSettlementVector(file);
    const { lines, totals, complete } = settleVector(vector);
    expect(lines.map(lineRow), vector.desc).toEqual(vector.expect.lines);
    const { paidMicro, levyMicro, ...energies } = totals;
    expect({ ...energies, paidMicro: `${paidMicro}`, levyMicro: `${levyMicro}` }).toEqual(vector.expect.totals);
    expect(complete).toBe(vector.expect.complete);
  });

  it("give the same with the page's hash as with the server's", () => {
    const vector = readSettlementVector('settlement-tie.json');
    expect(settleVector(vector, nobleSha256)).toEqual(settleVector(vector, nodeHasher));
  });

  it('are there', () => expect(files.length).toBeGreaterThan(10));
});

describe('any community', () => {
  it('agrees with a naive reference, or refuses the money that 63 bits cannot hold', () => {
    fc.assert(
      fc.property(randomMeters, randomRules, (meters, rules) => {
        const reference = referenceSettlement({ community: 'c', startS: START_S, rules, meters });
        if (reference.paid > MAX_AMOUNT_MICRO) {
          expect(() => settle(meters, rules)).toThrow(expect.objectContaining({ code: 'money-range' }));
          return;
        }
        const { lines, totals } = settle(meters, rules);
        expect(lines.map(lineRow)).toEqual(reference.lines);
        expect(totalsRow(totals)).toEqual(reference.totals);
      }),
      { numRuns: 200 },
    );
  });

  it('gives as much as it takes, keeps the caps, and its credits and levy sum to zero', () => {
    fc.assert(
      fc.property(randomMeters, randomRules, (meters, rules) => {
        const { lines, totals } = settle(meters, {
          ...rules,
          priceMicroPerKwh: Math.min(rules.priceMicroPerKwh, 10_000_000),
        });
        const sum = (pick: (line: (typeof lines)[number]) => bigint) =>
          lines.reduce((total, line) => total + pick(line), 0n);
        expect(sum((line) => BigInt(line.receivedMwh))).toBe(BigInt(totals.sharedMwh));
        expect(sum((line) => BigInt(line.deliveredMwh))).toBe(BigInt(totals.sharedMwh));
        expect(totals.sharedMwh).toBe(Math.min(totals.needMwh, totals.offerMwh));
        expect(lines.every((line) => line.receivedMwh <= line.needMwh && line.deliveredMwh <= line.offerMwh)).toBe(
          true,
        );
        expect(sum((line) => line.amountMicro) + totals.levyMicro).toBe(0n);
        expect(totals.levyMicro).toBe((totals.paidMicro * BigInt(rules.levyBasisPoints)) / 10_000n);
        expect(totals.units).toBe(lines.length);
      }),
      { numRuns: 200 },
    );
  });

  it('does not depend on the order of the members', () => {
    const keys = fc.array(fc.nat(), { minLength: 1, maxLength: 500 });
    const affordable = randomRules.map((rules) => ({
      ...rules,
      priceMicroPerKwh: rules.priceMicroPerKwh % 10_000_001,
    }));
    fc.assert(
      fc.property(randomMeters, affordable, keys, (meters, rules, order) => {
        expect(settle(shuffledWith(meters, order), rules)).toEqual(settle(meters, rules));
      }),
      { numRuns: 200 },
    );
  });

  it('treats members with several meters as one, under netting member', () => {
    fc.assert(
      fc.property(randomMeters, (meters) => {
        const split = meters.flatMap(({ member, importMwh = 0, exportMwh = 0, ...rest }, i) => [
          { ...rest, member, meter: `a-${i}`, importMwh, exportMwh: 0 },
          { ...rest, member, meter: `b-${i}`, importMwh: 0, exportMwh },
        ]);
        expect(settle(split, { netting: 2 })).toEqual(settle(meters, { netting: 2 }));
      }),
    );
  });
});

describe('money', () => {
  it('is rounded once a line, so a month of quarter-hours is not off by a rounded cent each', () => {
    let credits = 0n;
    for (let i = 0; i < 2880; i++) credits -= settle([meter('a', 43_333), meter('p', 0, 43_333)]).lines[0]!.amountMicro;
    // 43.333 Wh x 2880 x 0.12 = 14.9758848 credits; by whole cents it would be 28.80.
    expect(credits).toBe(14_976_000n);
    expect(Math.abs(Number(credits) - 14_975_885)).toBeLessThan(2880 / 2);
  });

  it('keeps every digit past 2^53', () => {
    const { lines, totals } = settle([meter('a', 999_999_999_999), meter('p', 0, 999_999_999_999)], {
      priceMicroPerKwh: 9_000_000_000_001,
    });
    expect(totals.paidMicro).toBe((999_999_999_999n * 9_000_000_000_001n + 500_000n) / 1_000_000n);
    expect(lines.map(({ amountMicro }) => amountMicro)).toEqual([-totals.paidMicro, totals.paidMicro]);
  });

  it('rounds half up exactly where a float would not', () => {
    // 95,017,663 x 94,906,273 = 9,017,772,264,499,999: odd and past 2^53, so a float makes it a half.
    const { totals } = settle([meter('a', 95_017_663), meter('p', 0, 95_017_663)], { priceMicroPerKwh: 94_906_273 });
    expect(totals.paidMicro).toBe(9_017_772_264n);
  });

  it('is the same on both sides of where the numbers end and the bigints begin', () => {
    const energies = fc.array(fc.tuple(fc.integer({ min: 1, max: 1e9 }), fc.boolean()), {
      minLength: 2,
      maxLength: 20,
    });
    // All that is paid comes to between 2^51 and 2^55.
    const bits = fc.double({ min: 51, max: 55, noNaN: true });
    fc.assert(
      fc.property(energies, bits, fc.integer({ min: 0, max: 10_000 }), (pairs, size, levyBasisPoints) => {
        const meters = pairs.map(([energyMwh, gives], i) =>
          meter(`m${i}`, gives ? 0 : energyMwh, gives ? energyMwh : 0),
        );
        const [needMwh, offerMwh] = [false, true].map((side) =>
          pairs.reduce((sum, [energyMwh, gives]) => sum + (gives === side ? energyMwh : 0), 0),
        );
        const sharedMwh = Math.max(1, Math.min(needMwh!, offerMwh!));
        const priceMicroPerKwh = Math.min(Math.floor((2 ** size / sharedMwh) * 1e6), Number.MAX_SAFE_INTEGER);
        const rules = { ...RULES, priceMicroPerKwh, levyBasisPoints };
        const reference = referenceSettlement({ community: 'c', startS: START_S, rules, meters });
        const { lines, totals } = settle(meters, rules);
        expect(lines.map(lineRow)).toEqual(reference.lines);
        expect(totalsRow(totals)).toEqual(reference.totals);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused beyond 63 bits, to the last micro-credit', () => {
    const both = (energyMwh: number) => [meter('a', energyMwh), meter('p', 0, energyMwh)];
    const price = Number.MAX_SAFE_INTEGER;
    // 2^63 x 1,000,000 / (2^53 - 1) = 1,024,000,000.0000001 mWh
    expect(settle(both(1_024_000_000), { priceMicroPerKwh: price }).totals.paidMicro).toBe(9_223_372_036_854_774_784n);
    expect(() => settle(both(1_024_000_001), { priceMicroPerKwh: price })).toThrow(
      expect.objectContaining({ name: 'LedgerError', code: 'money-range' }),
    );
  });

  it('can all go to the commons, or all to the producers', () => {
    const meters = [meter('a', 500_000), meter('p', 0, 500_000)];
    expect(settle(meters, { levyBasisPoints: 10_000 }).lines.map(({ amountMicro }) => amountMicro)).toEqual([
      -60_000n,
      0n,
    ]);
    expect(settle(meters, { priceMicroPerKwh: 0 }).lines.map(({ amountMicro }) => amountMicro)).toEqual([0n, 0n]);
  });
});

describe('rules that are none', () => {
  it.each<[string, Partial<Record<keyof RuleSettings, number>>]>([
    ['a negative price', { priceMicroPerKwh: -1 }],
    ['a price that is not whole', { priceMicroPerKwh: 0.5 }],
    ['a price past 2^53', { priceMicroPerKwh: 2 ** 53 }],
    ['a negative levy', { levyBasisPoints: -1 }],
    ['a levy above everything', { levyBasisPoints: 10_001 }],
    ['an unknown netting', { netting: 3 }],
    ['an unknown consumer rule', { consumerRule: 2 }],
    ['an unknown producer rule', { producerRule: 0 }],
  ])('refuses %s', (_name, rules) => {
    expect(() => settle([meter('a', 1)], rules as Partial<RuleSettings>)).toThrow(
      expect.objectContaining({ name: 'LedgerError', code: 'bad-request' }),
    );
  });
});

describe('completeness', () => {
  it('is reached when every meter has both edges, one over its power limit included', () => {
    const over: MeterEnergy = { member: 'o', meter: 'o', importMwh: 9e9, complete: false, quality: 5 };
    expect(settle([meter('a', 1), over]).complete).toBe(true);
    expect(settle([]).complete).toBe(true);
  });

  it('is not reached while one meter lacks an edge', () => {
    expect(settle([meter('a', 1), { member: 'm', meter: 'm', complete: false, quality: 4 }]).complete).toBe(false);
  });
});

describe('versions', () => {
  it('give the same lines and totals for the same inputs, whatever the number', () => {
    const input = {
      community: 'c',
      startS: START_S,
      rules: RULES,
      meters: [meter('a', 9), meter('b', 0, 4)],
      hasher: nodeHasher,
    };
    const first = settleMeters({ ...input, version: 1 });
    expect(settleMeters({ ...input, version: 7, previousLines: first.lines })).toEqual(first);
  });

  it('keep a line for every unit of the version before, and keep keeping it', () => {
    const vector = readSettlementVector('settlement-late.json');
    const second = settleVector(vector);
    const third = settleVector({ ...vector, previousLines: vector.expect.lines });
    expect(previousLinesOf(vector)).toHaveLength(4);
    expect(third.lines).toEqual(second.lines);
  });

  it('move members between units when the netting changes, at no cost to anyone', () => {
    const first = settle([meter('a', 9), meter('b', 0, 4)]);
    const settings = { ...RULES, netting: 2 as const };
    const input = { community: 'c', startS: START_S, version: 2, rules: settings, hasher: nodeHasher };
    const second = settleMeters({
      ...input,
      meters: [meter('a', 9), meter('b', 0, 4)],
      previousLines: first.lines,
    });
    expect(second.lines.map((line) => [line.member, line.meter, line.receivedMwh, line.quality])).toEqual([
      ['a', '', 4, 0],
      ['a', 'a', 0, 4],
      ['b', '', 0, 0],
      ['b', 'b', 0, 4],
    ]);
  });
});

it("errors are of the ledger's one class", () => {
  expect(() => settle([meter('a', -1)])).toThrow(LedgerError);
});
