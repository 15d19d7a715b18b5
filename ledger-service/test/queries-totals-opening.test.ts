import type { MilliwattHours } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SettlementLine } from '../src/core/records/index.js';
import { versionsWithOpenTotals } from '../src/usecases/queries/totals-opening.js';

type Inputs = Readonly<Record<string, readonly [need: number, offer: number]>>;

/** Lines with one meter each; what was shared does not matter here. */
function linesOf(inputs: Inputs): SettlementLine[] {
  return Object.entries(inputs).map(([unit, [needMwh, offerMwh]]) => {
    const [member = '', meter = ''] = unit.split('/');
    const zero = 0 as MilliwattHours;
    return {
      member,
      meter,
      needMwh: needMwh as MilliwattHours,
      offerMwh: offerMwh as MilliwattHours,
      receivedMwh: zero,
      deliveredMwh: zero,
      amountMicro: 0n,
      quality: 0,
    };
  });
}

const opened = (k: number, ...versions: Inputs[]) => versionsWithOpenTotals(versions.map(linesOf), k);

const STREET: Inputs = { a: [5, 0], b: [6, 0], c: [0, 7], d: [0, 8] };

describe('totals are open to all', () => {
  it('where k had a need and k an offer', () => {
    expect(opened(2, STREET)).toEqual([true]);
    expect(opened(3, STREET)).toEqual([false]);
    expect(opened(2, { ...STREET, d: [0, 0] })).toEqual([false]);
    expect(opened(2, { ...STREET, a: [0, 0] })).toEqual([false]);
  });

  it('counting members, not meters: many meters of one member hide nobody', () => {
    expect(opened(2, { 'a/1': [5, 0], 'a/2': [5, 0], c: [0, 7], d: [0, 8] })).toEqual([false]);
  });

  it('of a later version where nothing changed, or enough did', () => {
    expect(opened(2, STREET, STREET)).toEqual([true, true]);
    expect(opened(2, STREET, { ...STREET, a: [4, 0], d: [0, 9] })).toEqual([true, true]);
  });

  it('not of a later version that gives away one home by its difference', () => {
    expect(opened(2, STREET, { ...STREET, a: [4, 0] })).toEqual([true, false]);
    expect(opened(2, STREET, { ...STREET, e: [4, 0] })).toEqual([true, false]);
  });

  it('measured from the versions that were opened, not from those that were not', () => {
    const one = { ...STREET, a: [4, 0] } as const;
    const two = { ...one, b: [3, 0] } as const;
    // Two small steps make one large enough.
    expect(opened(2, STREET, one, two)).toEqual([true, false, true]);
  });

  it('not by a detour: far from the last that was opened, but near to one before', () => {
    const away = { ...STREET, a: [1, 0], b: [1, 0] } as const;
    const back = { ...STREET, a: [1, 0] } as const;
    expect(opened(2, STREET, away, { ...back, c: [0, 7] })).toEqual([true, true, false]);
  });

  it('so that no two opened versions ever differ in one to k - 1 members', () => {
    const inputs = fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
      fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
    );
    fc.assert(
      fc.property(fc.array(inputs, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), (versions, k) => {
        const open = versions.filter((_, i) => opened(k, ...versions)[i]);
        for (const one of open) {
          for (const other of open) {
            const members = new Set([...Object.keys(one), ...Object.keys(other)]);
            const differing = [...members].filter((m) => String(one[m] ?? [0, 0]) !== String(other[m] ?? [0, 0]));
            expect(differing.length === 0 || differing.length >= k).toBe(true);
          }
        }
      }),
    );
  });
});
