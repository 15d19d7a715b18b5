import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { edgeAt, energyBetween, type IntervalSettings } from '../src/core/intervals/edges.js';
import { Readings } from '../src/core/intervals/packed-readings.js';
import type { StoredReading } from '../src/core/rows.js';

const EDGE_S = 900_000;
const SETTINGS = { intervalS: 900, maxSpanS: 900 };

function reading(timeS: number, valueMwh: number, changes: Partial<StoredReading> = {}): StoredReading {
  return { timeS, valueMwh, segment: 0, good: true, trustedClock: true, ...changes };
}

function edgeOf(readings: readonly StoredReading[], edgeS: number, settings: IntervalSettings) {
  return edgeAt(Readings.of(readings), edgeS, settings);
}

describe('the value at an edge', () => {
  it('is the reading within 1 percent of the interval, inclusive', () => {
    expect(edgeOf([reading(EDGE_S + 9, 70)], EDGE_S, SETTINGS)).toEqual({ valueMwh: 70, quality: 0, segment: 0 });
    expect(edgeOf([reading(EDGE_S - 9, 70)], EDGE_S, SETTINGS)).toEqual({ valueMwh: 70, quality: 0, segment: 0 });
    expect(edgeOf([reading(EDGE_S + 10, 70)], EDGE_S, SETTINGS)).toBeUndefined();
  });

  it('is of two the nearer, then the earlier', () => {
    expect(edgeOf([reading(EDGE_S - 5, 1), reading(EDGE_S + 4, 2)], EDGE_S, SETTINGS)?.valueMwh).toBe(2);
    expect(edgeOf([reading(EDGE_S - 4, 1), reading(EDGE_S + 4, 2)], EDGE_S, SETTINGS)?.valueMwh).toBe(1);
  });

  it('is interpolated between neighbours at most maxSpan apart, rounded down', () => {
    const around = [reading(EDGE_S - 300, 10), reading(EDGE_S + 600, 20)];
    expect(edgeOf(around, EDGE_S, SETTINGS)).toEqual({ valueMwh: 13, quality: 1, segment: 0 });
    expect(edgeOf([reading(EDGE_S - 301, 10), reading(EDGE_S + 600, 20)], EDGE_S, SETTINGS)).toBeUndefined();
    expect(edgeOf(around, EDGE_S, { ...SETTINGS, maxSpanS: 0 })).toBeUndefined();
  });

  it('is interpolated, not measured, when the clock is doubtful', () => {
    const doubtful = [reading(EDGE_S - 100, 10), reading(EDGE_S + 2, 20, { trustedClock: false })];
    expect(edgeOf(doubtful, EDGE_S, SETTINGS)).toEqual({ valueMwh: 19, quality: 1, segment: 0 });
  });

  it('does not look at suspects, nor across a break', () => {
    expect(edgeOf([reading(EDGE_S, 99, { good: false })], EDGE_S, SETTINGS)).toBeUndefined();
    const broken = [reading(EDGE_S - 100, 10), reading(EDGE_S + 100, 20, { segment: 1 })];
    expect(edgeOf(broken, EDGE_S, SETTINGS)).toBeUndefined();
  });
});

describe('energies', () => {
  it('are differences inside one segment with the worse quality', () => {
    const start = { valueMwh: 5, quality: 0, segment: 0 } as const;
    const end = { valueMwh: 9, quality: 1, segment: 0 } as const;
    expect(energyBetween(start, end)).toEqual({ energyMwh: 4, quality: 1 });
    expect(energyBetween(start, { ...end, segment: 1 })).toBeUndefined();
    expect(energyBetween(undefined, end)).toBeUndefined();
  });

  it('of all intervals sum to the meter, whatever the instants', () => {
    const steps = fc.array(
      fc.record({ dt: fc.integer({ min: 1, max: 900 }), dv: fc.integer({ min: 0, max: 10 ** 9 }) }),
      {
        minLength: 2,
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(steps, (list) => {
        let timeS = EDGE_S - 100;
        let valueMwh = 0;
        const readings = list.map(({ dt, dv }) => {
          timeS += dt;
          valueMwh += dv;
          return reading(timeS, valueMwh);
        });
        const known: number[] = [];
        for (let edgeS = EDGE_S; edgeS <= timeS + 900; edgeS += 900) {
          const edge = edgeOf(readings, edgeS, SETTINGS);
          if (edge) known.push(edge.valueMwh);
        }
        // Edges never fall, so that no interval is negative, and the differences telescope.
        for (let i = 1; i < known.length; i++) expect(known[i]!).toBeGreaterThanOrEqual(known[i - 1]!);
      }),
    );
  });
});

describe('a day of readings', () => {
  it('survives its bytes', () => {
    const readings = fc
      .array(
        fc.record({
          timeS: fc.integer({ min: 0, max: 2 ** 33 }),
          valueMwh: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
          segment: fc.integer({ min: 0, max: 200 }),
          good: fc.boolean(),
          trustedClock: fc.boolean(),
        }),
        { maxLength: 50 },
      )
      .map((list) => list.sort((a, b) => a.timeS - b.timeS));
    fc.assert(
      fc.property(readings, (list) => {
        expect([...Readings.decode(Readings.of(list).bytes())]).toEqual(list);
      }),
    );
  });

  it('and one with a reading more, or another, stay apart, whoever goes on from them', () => {
    const inputs = fc.array(
      fc.record({
        from: fc.nat({ max: 20 }),
        waitS: fc.constantFrom(300, 300, 300, 7),
        valueMwh: fc.nat({ max: 1_000_000 }),
        change: fc.constantFrom('append', 'append', 'insert', 'replace'),
        place: fc.nat({ max: 1_000 }),
      }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(inputs, (steps) => {
        // Each step goes on from any of the days that there were: from the newest, or from one that others went on from.
        const days = [{ packed: Readings.NONE, list: [] as readonly StoredReading[] }];
        for (const { from, waitS, valueMwh, change, place } of steps) {
          const { packed, list } = days[from % days.length]!;
          const at = list.length === 0 || change === 'append' ? list.length : place % list.length;
          const timeS = at < list.length ? list[at]!.timeS : (list.at(-1)?.timeS ?? 0) + waitS;
          const next = reading(timeS, valueMwh, { good: valueMwh % 5 > 0, segment: valueMwh % 3 });
          if (at === list.length) {
            const { segment, good, trustedClock } = next;
            days.push({ packed: packed.appended(timeS, valueMwh, segment, good, trustedClock), list: [...list, next] });
          } else if (change === 'insert') {
            days.push({ packed: packed.inserted(at, next), list: list.toSpliced(at, 0, next) });
          } else {
            days.push({ packed: packed.replaced(at, next), list: list.with(at, next) });
          }
        }
        for (const { packed, list } of days) {
          expect([...packed]).toEqual(list);
          expect(packed.bytes()).toEqual(Readings.of(list).bytes());
          expect([...Readings.decode(packed.bytes())]).toEqual(list);
        }
      }),
    );
  });
});
