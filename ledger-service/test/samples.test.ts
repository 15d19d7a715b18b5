import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelHead, readingsBetween } from '../src/core/intervals/readings.js';
import { foldSamples } from '../src/core/intervals/sample-run.js';
import { foldSample, startSegment } from '../src/core/intervals/samples.js';
import { encodeRow } from '../src/core/row-codec.js';
import type { WorkingSet } from '../src/core/working-set.js';
import { emptyRows, withRows } from './support/rows.js';

const T0 = 1_700_000_100;
const INTERVAL_S = 900;
const KWH = 1_000_000;
const channel = { meter: 'm', quantity: 1, limitW: 10_000 };
const unlimited = { ...channel, limitW: 0 };

let rows: WorkingSet;
beforeEach(() => {
  rows = emptyRows();
});

function fold(step: number, valueMwh: number, of = channel): string {
  const sample = { timeS: T0 + step * INTERVAL_S, valueMwh, trustedClock: true };
  return withRows(rows, () => foldSample(rows, of, sample, INTERVAL_S));
}

function good(): readonly (readonly [number, number])[] {
  const readings = withRows(rows, () => readingsBetween(rows, channel, T0 - 10 * INTERVAL_S, T0 + 100 * INTERVAL_S));
  return [...readings].filter((reading) => reading.good).map(({ valueMwh, segment }) => [valueMwh, segment]);
}

describe('a counter that goes on', () => {
  it('is good, and the same reading again is nothing new', () => {
    expect([fold(0, 0), fold(1, 5), fold(1, 5)]).toEqual(['good', 'good', 'repeat']);
    expect(fold(1, 6)).toBe('overlap');
    expect(good()).toEqual([
      [0, 0],
      [5, 0],
    ]);
  });

  it('takes a late reading that fits between its neighbours', () => {
    fold(0, 10);
    fold(2, 30);
    expect([fold(1, 20), fold(3, 40)]).toEqual(['good', 'good']);
    expect(fold(-1, 11)).toBe('step-back');
  });
});

describe('a single wrong reading', () => {
  it('of zero never books the lifetime counter', () => {
    fold(0, 180 * KWH, unlimited);
    expect([fold(1, 0, unlimited), fold(2, 180 * KWH + 7, unlimited)]).toEqual(['step-back', 'good']);
    expect(good().map(([value]) => value)).toEqual([180 * KWH, 180 * KWH + 7]);
  });

  it('far above is dropped when the next goes on from before', () => {
    fold(0, 180 * KWH);
    expect([fold(1, 5000 * KWH), fold(2, 181 * KWH)]).toEqual(['leap', 'good']);
    expect(good()).toEqual([
      [180 * KWH, 0],
      [181 * KWH, 0],
    ]);
  });
});

describe('a leap', () => {
  it('that the next reading confirms begins a segment of its own', () => {
    fold(0, 100 * KWH);
    expect([fold(1, 900 * KWH), fold(2, 901 * KWH)]).toEqual(['leap', 'good']);
    expect(good()).toEqual([
      [100 * KWH, 0],
      [900 * KWH, 1],
      [901 * KWH, 1],
    ]);
  });

  it('after a leap waits for its own confirmation', () => {
    fold(0, 0);
    expect([fold(1, 100 * KWH), fold(2, 300 * KWH), fold(3, 301 * KWH)]).toEqual(['leap', 'leap', 'good']);
    expect(good()).toEqual([
      [0, 0],
      [300 * KWH, 1],
      [301 * KWH, 1],
    ]);
  });

  it('needs no confirmation where no limit is enrolled', () => {
    fold(0, 0, unlimited);
    expect(fold(1, 10 ** 15, unlimited)).toBe('good');
  });
});

describe('a step back', () => {
  it('stays suspect until a signed event, and is then folded again in a new segment', () => {
    fold(0, 100 * KWH);
    expect([fold(1, 1), fold(2, 2), fold(3, 3)]).toEqual(['step-back', 'step-back', 'step-back']);
    const fromS = T0 + INTERVAL_S;
    withRows(rows, () => startSegment(rows, channel, { fromS, untilS: T0 + 4 * INTERVAL_S, intervalS: INTERVAL_S }));
    expect(good()).toEqual([
      [100 * KWH, 0],
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(fold(4, 4)).toBe('good');
    expect(channelHead(rows, channel)).toMatchObject({ accepted: 2, flagged: 3 });
  });
});

describe('a run of samples', () => {
  it('ends as the same samples one by one', () => {
    const sample = fc.record({
      dt: fc.integer({ min: 1, max: 40_000 }),
      // Mostly a counter that goes on; now and then one that steps back or leaps.
      dv: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 0, max: KWH }) },
        { weight: 1, arbitrary: fc.integer({ min: -3 * KWH, max: -1 }) },
        { weight: 1, arbitrary: fc.integer({ min: 50 * KWH, max: 900 * KWH }) },
      ),
    });
    const frame = fc.record({
      samples: fc.array(sample, { minLength: 1, maxLength: 8 }),
      trustedClock: fc.boolean(),
    });
    const frames = fc.array(frame, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(frames, fc.constantFrom(channel, unlimited), (list, of) => {
        const runs = emptyRows();
        const singles = emptyRows();
        let timeS = T0;
        let valueMwh = 1000 * KWH;
        for (const { samples: steps, trustedClock } of list) {
          const samples = steps.map(({ dt, dv }) => {
            timeS += dt;
            valueMwh = Math.max(0, valueMwh + dv);
            return { timeS, valueMwh, trustedClock };
          });
          const timesS = samples.map((one) => one.timeS);
          const valuesMwh = samples.map((one) => one.valueMwh);
          withRows(runs, () => foldSamples(runs, of, { timesS, valuesMwh, trustedClock }, INTERVAL_S));
          withRows(singles, () => {
            for (const one of samples) foldSample(singles, of, one, INTERVAL_S);
          });
        }
        const written = (rows: WorkingSet) =>
          rows
            .changes()
            .map(({ table, key, row }) => [table, key, encodeRow(table, row!)])
            .sort();
        expect(written(runs)).toEqual(written(singles));
      }),
    );
  });
});
