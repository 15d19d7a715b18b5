import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LedgerError } from '../src/core/errors.js';
import { deliverProRata, receiveDynamicProRata } from '../src/core/sharing/dynamic-pro-rata.js';
import { sumOf } from '../src/core/sharing/pool.js';
import { consumerRule, producerRule } from '../src/core/sharing/rules.js';
import { type MeterEnergy, unitsOfMeters } from './support/meter-settlement.js';
import { randomMeters } from './support/random-community.js';
import { nodeHasher } from './support/settlement-reference.js';

const tie = (index: number) => nodeHasher.sha256(Uint8Array.of(index & 255, index >> 8));

function meter(member: string, id: string, importMwh: number, exportMwh = 0): MeterEnergy {
  return { member, meter: id, importMwh, exportMwh, complete: true, quality: 0 };
}

function missing(member: string, id: string, quality: 4 | 5 = 4): MeterEnergy {
  return { member, meter: id, complete: false, quality };
}

describe('dynamic pro rata', () => {
  it('shares 1000 over needs of 100, 400, 50 and 900 as 69, 276, 34 and 621', () => {
    const pool = { needsMwh: [100, 400, 50, 900], offersMwh: [1000, 0, 0, 0], tie };
    expect([...receiveDynamicProRata(pool)]).toEqual([69, 276, 34, 621]);
  });

  it('covers every need where there is enough', () => {
    const pool = { needsMwh: [7, 0, 5], offersMwh: [0, 50, 0], tie };
    expect([...receiveDynamicProRata(pool)]).toEqual([7, 0, 5]);
    expect([...deliverProRata(pool, 12)]).toEqual([0, 12, 0]);
  });

  it('shares nothing where nobody offers or nobody needs', () => {
    expect([...receiveDynamicProRata({ needsMwh: [7, 5], offersMwh: [0, 0], tie })]).toEqual([0, 0]);
    expect([...receiveDynamicProRata({ needsMwh: [0, 0], offersMwh: [7, 5], tie })]).toEqual([0, 0]);
    expect([...deliverProRata({ needsMwh: [], offersMwh: [], tie }, 0)]).toEqual([]);
  });

  it('does not hand the surplus to the first producer of the list (gsy-e #1846)', () => {
    const offersMwh = [400_000, 400_000, 400_000];
    const pool = { needsMwh: [600_000, 0, 0], offersMwh, tie };
    expect([...deliverProRata(pool, 600_000)]).toEqual([200_000, 200_000, 200_000]);
  });

  it('favours nobody in a tie by the place in the list, in the long run', () => {
    const odd = [0, 0, 0];
    for (let startS = 0; startS < 3000 * 900; startS += 900) {
      const hash = (i: number) => nodeHasher.sha256(new TextEncoder().encode(`${startS}/${i}`));
      const received = receiveDynamicProRata({ needsMwh: [9, 9, 9], offersMwh: [10, 0, 0], tie: hash });
      odd[received.indexOf(4)]! += 1;
    }
    for (const times of odd) expect(times).toBeGreaterThan(900);
  });

  it('loses nothing to rounding where rounding each share to the watt-hour does', () => {
    // Three homes, 1 kWh: rounded one by one to whole watt-hours they get 333 Wh each, and one is nobody's.
    const needsMwh = [500_000, 500_000, 500_000];
    const rounded = needsMwh.map((need) => Math.round((1000 * need) / 1_500_000));
    expect(sumOf(rounded)).toBe(999);
    expect(sumOf(receiveDynamicProRata({ needsMwh, offersMwh: [0, 0, 1_000_000], tie }))).toBe(1_000_000);
  });

  it('re-sums where naive rounding of each share does not, in most intervals', () => {
    let missed = 0;
    let runs = 0;
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2500 }), { minLength: 2, maxLength: 50 }),
        fc.nat(),
        (needsMwh, n) => {
          const need = sumOf(needsMwh);
          const sharedMwh = need === 0 ? 0 : n % need;
          const naive = needsMwh.map((each) => Math.round((sharedMwh * each) / Math.max(1, need)));
          runs++;
          if (sumOf(naive) !== sharedMwh) missed++;
          expect(sumOf(receiveDynamicProRata({ needsMwh, offersMwh: [sharedMwh], tie }))).toBe(sharedMwh);
        },
      ),
      { numRuns: 2000 },
    );
    expect(missed / runs).toBeGreaterThan(0.3);
  });
});

describe('the table of rules', () => {
  it('knows dynamic pro rata and pro rata under the number 1', () => {
    expect(consumerRule(1)).toBe(receiveDynamicProRata);
    expect(producerRule(1)).toBe(deliverProRata);
  });

  it('refuses every other number', () => {
    for (const number of [0, 2, 1.5, -1, Number.NaN]) {
      expect(() => consumerRule(number)).toThrow(LedgerError);
      expect(() => producerRule(number)).toThrow(/expected one of 1, got/);
    }
  });
});

describe('units of allocation', () => {
  const house = meter('pia', 'house', 300, 50);
  const roof = meter('pia', 'roof', 20, 900);

  it('netting none: each meter with its import and its export', () => {
    const units = unitsOfMeters({ netting: 0, meters: [roof, house] });
    expect(units).toEqual([
      { member: 'pia', meter: 'house', needMwh: 300, offerMwh: 50, quality: 0 },
      { member: 'pia', meter: 'roof', needMwh: 20, offerMwh: 900, quality: 0 },
    ]);
  });

  it('netting meter: import and export of one meter cancel out', () => {
    const units = unitsOfMeters({ netting: 1, meters: [roof, house] });
    expect(units.map(({ needMwh, offerMwh }) => [needMwh, offerMwh])).toEqual([
      [250, 0],
      [0, 880],
    ]);
  });

  it('netting member: one unit over the sums of the meters', () => {
    const units = unitsOfMeters({ netting: 2, meters: [roof, house] });
    expect(units).toEqual([{ member: 'pia', meter: '', needMwh: 0, offerMwh: 630, quality: 0 }]);
  });

  it('gives a member the worst quality of the meters', () => {
    const units = unitsOfMeters({
      netting: 2,
      meters: [
        { ...roof, quality: 3 },
        { ...house, quality: 1 },
      ],
    });
    expect(units[0]?.quality).toBe(3);
  });

  it('leaves out a meter without an edge or over its limit', () => {
    const units = unitsOfMeters({
      netting: 0,
      meters: [missing('a', 'a'), { ...missing('b', 'b', 5), importMwh: 9e9 }],
    });
    expect(units.map(({ needMwh, quality }) => [needMwh, quality])).toEqual([
      [0, 4],
      [0, 5],
    ]);
  });

  it('calls a meter without edges missing, whatever quality its readings had', () => {
    const units = unitsOfMeters({ netting: 0, meters: [{ ...house, complete: false, quality: 1 }] });
    expect(units[0]).toMatchObject({ needMwh: 0, offerMwh: 0, quality: 4 });
  });

  it('leaves out a member with one meter of two without an edge', () => {
    const units = unitsOfMeters({ netting: 2, meters: [roof, missing('pia', 'shed')] });
    expect(units).toEqual([{ member: 'pia', meter: '', needMwh: 0, offerMwh: 0, quality: 4 }]);
  });

  it('counts a counter that is not enrolled as zero', () => {
    const units = unitsOfMeters({
      netting: 2,
      meters: [{ member: 'p', meter: 'p', exportMwh: 7, complete: true, quality: 0 }],
    });
    expect(units[0]).toMatchObject({ needMwh: 0, offerMwh: 7 });
  });

  it('keeps a unit of the version before that is no longer active, with zeros and quality 4', () => {
    const previous = [
      { member: 'zoe', meter: 'z' },
      { member: 'pia', meter: 'house' },
      { member: 'ann', meter: 'a' },
    ];
    const units = unitsOfMeters({ netting: 0, meters: [house], previous });
    expect(units.map(({ member, quality }) => [member, quality])).toEqual([
      ['ann', 4],
      ['pia', 0],
      ['zoe', 4],
    ]);
  });

  it('orders units by the bytes of member, then meter, the shorter first', () => {
    const ids = ['b', 'a', 'B', '0', 'a-b', 'a.b', 'aa', 'a_b'];
    const units = unitsOfMeters({ netting: 0, meters: ids.map((id) => meter(id, 'x', 1)) });
    const byBytes = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(units.map(({ member }) => member)).toEqual(byBytes);
  });

  it('applies a participation factor by floor, after the netting', () => {
    const factorPercent = ({ member }: { member: string }) => (member === 'pia' ? 33 : 100);
    const meters = [meter('pia', 'p', 1_000, 1), meter('quentin', 'q', 7)];
    const units = unitsOfMeters({ netting: 1, meters, factorPercent });
    expect(units.map(({ needMwh }) => needMwh)).toEqual([329, 7]);
  });

  it('takes floor(energy x factor / 100) exactly, for every energy and factor', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.integer({ min: 1, max: 100 }), (energyMwh, percent) => {
        const [unit] = unitsOfMeters({
          netting: 0,
          meters: [meter('a', 'a', energyMwh)],
          factorPercent: () => percent,
        });
        expect(BigInt(unit!.needMwh)).toBe((BigInt(energyMwh) * BigInt(percent)) / 100n);
      }),
    );
  });

  it('refuses a factor that is no whole percent, a meter named twice, and energies that are none', () => {
    for (const percent of [0, 101, 1.5]) {
      expect(() => unitsOfMeters({ netting: 0, meters: [house], factorPercent: () => percent })).toThrow(LedgerError);
    }
    expect(() => unitsOfMeters({ netting: 0, meters: [house, roof, house] })).toThrow(/expected once/);
    for (const energyMwh of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(() => unitsOfMeters({ netting: 0, meters: [meter('a', 'a', energyMwh)] })).toThrow(LedgerError);
      expect(() => unitsOfMeters({ netting: 0, meters: [meter('a', 'a', 0, energyMwh)] })).toThrow(LedgerError);
    }
    expect(() => unitsOfMeters({ netting: 0, meters: [{ ...house, quality: 4 }] })).toThrow(/complete, but/);
  });

  it('disputes only the meter gone mad where the sums would pass 2^53 mWh', () => {
    const mad = meter('mad', 'm', Number.MAX_SAFE_INTEGER);
    for (const netting of [0, 1, 2] as const) {
      const units = unitsOfMeters({ netting, meters: [mad, meter('ann', 'a', 5), meter('bob', 'b', 0, 9)] });
      expect(units.map(({ needMwh, offerMwh, quality }) => [needMwh, offerMwh, quality])).toEqual([
        [5, 0, 0],
        [0, 9, 0],
        [0, 0, 5],
      ]);
    }
  });

  it('disputes a member whose meters together pass 2^53 mWh', () => {
    const mad = [meter('mad', 'm', Number.MAX_SAFE_INTEGER), meter('mad', 'n', 1)];
    const units = unitsOfMeters({ netting: 2, meters: [...mad, meter('ann', 'a', 5)] });
    expect(units.map(({ needMwh, quality }) => [needMwh, quality])).toEqual([
      [5, 0],
      [0, 5],
    ]);
  });

  it('keeps every sum a safe integer, whatever the meters claim', () => {
    const anything = fc.oneof(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.constant(Number.MAX_SAFE_INTEGER));
    const claims = fc.array(fc.tuple(anything, anything), { maxLength: 60 });
    fc.assert(
      fc.property(claims, fc.constantFrom<0 | 1 | 2>(0, 1, 2), (pairs, netting) => {
        const meters = pairs.map(([need, offer], i) => meter(`m${i}`, `m${i}`, need, offer));
        const units = unitsOfMeters({ netting, meters });
        expect(Number.isSafeInteger(sumOf(units.map(({ needMwh }) => needMwh)))).toBe(true);
        expect(Number.isSafeInteger(sumOf(units.map(({ offerMwh }) => offerMwh)))).toBe(true);
      }),
    );
  });

  it('lets nobody be disputed for energies of 10^12 mWh in communities of 500', () => {
    fc.assert(
      fc.property(randomMeters, fc.constantFrom<0 | 1 | 2>(0, 1, 2), (meters, netting) => {
        expect(unitsOfMeters({ netting, meters }).every(({ quality }) => quality === 0)).toBe(true);
      }),
    );
  });
});
