/** What a street's meters contribute, found by steps along their readings, against each meter looked at by itself. */
import { mwh } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IntervalSettings } from '../src/core/intervals/edges.js';
import { StreetEnergies } from '../src/core/intervals/meter-energies.js';
import { EdgeCache, meterState } from '../src/core/intervals/meter-state.js';
import { Readings } from '../src/core/intervals/packed-readings.js';
import { DAY_S, putReadingsOfDay } from '../src/core/intervals/readings.js';
import { type ChannelRow, type MeterRow, readingsKey, type StoredReading } from '../src/core/rows.js';
import { WorkingSet } from '../src/core/working-set.js';

const INTERVAL_S = 900;
/** The last hour of a day and the first of the next: edges on both sides of midnight, and on it. */
const FIRST_DAY_S = 19_999 * DAY_S;
const FIRST_S = FIRST_DAY_S + DAY_S - 3_600;
const INTERVALS = 8;
const METERS = ['b', 'a', 'c'] as const;

type Fate = 'measured' | 'off' | 'untrusted' | 'suspect' | 'twice' | 'none';

const fates = fc.array(
  fc.record({
    fate: fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fate>('measured') },
      { weight: 3, arbitrary: fc.constantFrom<Fate>('off', 'untrusted', 'suspect', 'twice', 'none') },
    ),
    awayS: fc.integer({ min: -9, max: 9 }),
    riseMwh: fc.integer({ min: 0, max: 3_000_000 }),
    isBreak: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
  { minLength: INTERVALS + 1, maxLength: INTERVALS + 1 },
);

const street = fc.record({
  channels: fc.array(fates, { minLength: 6, maxLength: 6 }),
  limitW: fc.constantFrom(0, 5_000, 11_000),
  settings: fc.record({
    intervalS: fc.constant(INTERVAL_S),
    maxSpanS: fc.constantFrom(0, INTERVAL_S),
    estimatesOutages: fc.boolean(),
  }),
  order: fc.shuffledSubarray([...Array(INTERVALS).keys()], { minLength: INTERVALS }),
});

function readingsOf(edges: typeof fates extends fc.Arbitrary<infer T> ? T : never): StoredReading[] {
  const readings: StoredReading[] = [];
  let [valueMwh, segment] = [1_000_000, 0];
  edges.forEach(({ fate, awayS, riseMwh, isBreak }, i) => {
    valueMwh += riseMwh;
    if (isBreak) segment += 1;
    const edgeS = FIRST_S + i * INTERVAL_S;
    const one = {
      timeS: edgeS + awayS,
      valueMwh,
      segment,
      good: fate !== 'suspect',
      trustedClock: fate !== 'untrusted',
    };
    if (fate === 'none') return;
    readings.push(fate === 'off' ? { ...one, timeS: edgeS + 300 } : one);
    if (fate === 'twice') readings.push({ ...one, timeS: Math.max(edgeS - awayS, one.timeS + 1) });
  });
  return readings;
}

function headOf(readings: readonly StoredReading[]): ChannelRow {
  const newest = readings.findLast(({ good }) => good);
  return {
    ...(readings[0] && { sinceS: readings[0].timeS }),
    segments: [{ segment: 0, fromS: 0 }],
    ...(newest && { baseline: { timeS: newest.timeS, valueMwh: mwh(newest.valueMwh) } }),
    accepted: readings.length,
    flagged: 0,
  };
}

function rowsOf(channels: readonly (readonly StoredReading[])[], limitW: number): WorkingSet {
  const rows = new WorkingSet();
  METERS.forEach((meter, m) => {
    const counters = [1, 2].map((quantity) => ({ quantity, exponent: 0, widthBits: 32, limitW }));
    const row = { kid: meter, home: meter, member: `m-${meter}`, index: 1, generation: 0, channels: counters };
    rows.put('meter', meter, row as unknown as MeterRow);
    const heads = Object.fromEntries(
      [1, 2].map((quantity) => {
        const readings = channels[2 * m + quantity - 1]!;
        for (let dayS = FIRST_DAY_S - 3 * DAY_S; dayS <= FIRST_DAY_S + 4 * DAY_S; dayS += DAY_S) {
          const ofDay = readings.filter(({ timeS }) => timeS >= dayS && timeS < dayS + DAY_S);
          if (quantity === 1) rows.loadRow('readings', readingsKey(meter, dayS), undefined);
          if (ofDay.length > 0) putReadingsOfDay(rows, { meter, quantity }, dayS, Readings.of(ofDay));
        }
        return [quantity, headOf(readings)];
      }),
    );
    rows.put('channel', meter, heads);
  });
  return rows;
}

function slowly(rows: WorkingSet, settings: IntervalSettings, startS: number) {
  return [...METERS].sort().map((meter) => {
    const state = meterState(new EdgeCache(rows, meter, settings), rows.get('meter', meter)!, startS);
    return [`m-${meter}`, state.importMwh ?? 0, state.exportMwh ?? 0, state.quality];
  });
}

describe('the energies of a street', () => {
  it('are those of each meter by itself, in whatever order intervals are asked for', () => {
    fc.assert(
      fc.property(street, ({ channels, limitW, settings, order }) => {
        const rows = rowsOf(channels.map(readingsOf), limitW);
        const rising = new StreetEnergies(rows, settings);
        const inAnyOrder = new StreetEnergies(rows, settings);
        const found = new Map(order.map((i) => [i, inAnyOrder.inputs(FIRST_S + i * INTERVAL_S)]));
        for (let i = 0; i < INTERVALS; i++) {
          const startS = FIRST_S + i * INTERVAL_S;
          const inputs = rising.inputs(startS);
          const { meters, importMwh, exportMwh, quality } = inputs.meters;
          const quick = meters.members.map((member, m) => [member, importMwh[m], exportMwh[m], quality[m]]);
          const expected = slowly(rows, settings, startS);
          expect(quick).toEqual(expected);
          expect(found.get(i)).toEqual(inputs);
          const missing = expected.filter(([, , , each]) => each === 4).length;
          const complete = [rising, inAnyOrder, new StreetEnergies(rows, settings)].map((each) =>
            each.isComplete(startS),
          );
          expect(complete).toEqual(complete.map(() => missing === 0));
          expect([inputs.allEdges, inputs.someEdges]).toEqual([missing === 0, missing < METERS.length]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
