import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sample } from '../src/core/reading.js';
import { thinSamples } from '../src/core/thin.js';

function at(atS: number, meterIndex = 0): Sample {
  const channels = [{ meterIndex, quantity: 1 as const, status: 0, value: BigInt(atS) }];
  return { atS, clock: { source: 2, errorMs: 0, ageS: 0 }, channels, breakBefore: false, attempt: 0 };
}

const dropped = (samples: Sample[]) => thinSamples(samples, 900).map(({ atS }) => atS);

describe('thinning', () => {
  it('gives up readings between edges and keeps those at them', () => {
    expect(dropped([0, 300, 600, 900, 1200, 1500, 1800].map((s) => at(s)))).toEqual([300, 600, 1200, 1500]);
  });

  it('keeps both neighbours of an edge that was missed', () => {
    expect(dropped([0, 300, 850, 950, 1200, 1800].map((s) => at(s)))).toEqual([300, 1200]);
  });

  it('takes the nearest of two in the window, the earlier when both are as near', () => {
    expect(dropped([0, 450, 895, 903, 1300, 1800].map((s) => at(s)))).toEqual([450, 895, 1300]);
    expect(dropped([0, 895, 905, 1300, 1800].map((s) => at(s)))).toEqual([905, 1300]);
  });

  it('looks at each meter alone', () => {
    const samples = [0, 300, 900].flatMap((s) => [at(s), at(s, 1)]);
    expect(dropped(samples)).toEqual([300, 300]);
  });

  it('leaves every edge with the value it had, or both its neighbours', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 20_000 }), { minLength: 2, maxLength: 60 }), (times) => {
        const samples = times.toSorted((a, b) => a - b).map((s) => at(s));
        const gone = new Set(thinSamples(samples, 900));
        const kept = samples.filter((sample) => !gone.has(sample)).map(({ atS }) => atS);
        const all = samples.map(({ atS }) => atS);
        for (let edgeS = 0; edgeS <= 20_000; edgeS += 900) {
          const distance = (list: number[]) => Math.min(...list.map((s) => Math.abs(s - edgeS)));
          if (distance(all) <= 9) expect(distance(kept)).toBe(distance(all));
          else {
            expect(kept.findLast((s) => s < edgeS)).toBe(all.findLast((s) => s < edgeS));
            expect(kept.find((s) => s > edgeS)).toBe(all.find((s) => s > edgeS));
          }
        }
      }),
    );
  });
});
