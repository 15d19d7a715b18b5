/** Communities for properties: up to 500 members, many equal values, all zero, one giant, needs up to 10^12 mWh. */
import fc from 'fast-check';
import type { RuleSettings } from '../../src/core/records/index.js';
import type { MeterEnergy } from './meter-order.js';

export const LARGEST_MWH = 1e12;

const energy = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 0, max: 2_500_000 }),
  fc.integer({ min: 0, max: LARGEST_MWH }),
);

const someMembers = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 500 }));

/** Pairs of import and export. */
const energies = someMembers.chain((count) =>
  fc.oneof(
    fc.array(fc.tuple(energy, energy), { minLength: count, maxLength: count }),
    fc.tuple(energy, energy).map((same) => Array.from({ length: count }, () => same)),
    fc.constant(Array.from({ length: count }, (): [number, number] => [0, 0])),
    fc.tuple(energy, energy, fc.boolean()).map(([need, offer, consumes]) =>
      Array.from({ length: count }, (_, i): [number, number] => {
        if (i > 0) return [need % 1000, offer % 1000];
        return consumes ? [LARGEST_MWH, 0] : [0, LARGEST_MWH];
      }),
    ),
    // Consumers and producers apart, equal among themselves: ties everywhere.
    fc
      .tuple(energy, energy)
      .map(([need, offer]) =>
        Array.from({ length: count }, (_, i): [number, number] => (i % 3 === 0 ? [0, offer] : [need, 0])),
      ),
  ),
);

export const randomMeters: fc.Arbitrary<MeterEnergy[]> = energies.map((pairs) =>
  pairs.map(([importMwh, exportMwh], i) => {
    const id = String(i).padStart(3, '0');
    return { member: `home-${id}`, meter: `meter-${id}`, importMwh, exportMwh, complete: true, quality: 0 };
  }),
);

/** Prices from nothing to 10^12 micro-credits a kWh: with energies of 10^12 mWh the money passes 2^53, and 63 bits. */
export const randomRules: fc.Arbitrary<RuleSettings> = fc.record({
  netting: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  consumerRule: fc.constant<1>(1),
  producerRule: fc.constant<1>(1),
  priceMicroPerKwh: fc.oneof(fc.constantFrom(0, 1, 120_000, 1_000_000), fc.integer({ min: 0, max: 1e12 })),
  levyBasisPoints: fc.oneof(fc.constantFrom(0, 1, 100, 10_000), fc.integer({ min: 0, max: 10_000 })),
});

/** A permutation of the list, drawn by the property itself. */
export function shuffledWith<T>(list: readonly T[], keys: readonly number[]): T[] {
  return list
    .map((item, i) => ({ item, key: keys[i % Math.max(1, keys.length)] ?? 0, i }))
    .sort((a, b) => a.key - b.key || b.i - a.i)
    .map(({ item }) => item);
}
