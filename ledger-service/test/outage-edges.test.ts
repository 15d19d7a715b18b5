/** Estimated edges beside a reference that looks at every reading for every edge, and what a change of readings reaches. */
import { Quantity } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChannelEdges } from '../src/core/intervals/channel-edges.js';
import { type Edge, edgeAt, type IntervalSettings } from '../src/core/intervals/edges.js';
import { EdgeCache, isSameState, type MeterState, meterState } from '../src/core/intervals/meter-state.js';
import { Readings } from '../src/core/intervals/packed-readings.js';
import { DAY_S, readingsOfDay } from '../src/core/intervals/readings.js';
import { foldSamples, type SampleRun } from '../src/core/intervals/sample-run.js';
import type { Sample } from '../src/core/intervals/samples.js';
import { touchIntervals } from '../src/core/intervals/touch.js';
import type { RowTable, RowTypes } from '../src/core/rows.js';
import { NeedRows, WorkingSet } from '../src/core/working-set.js';

const DAY = 20_000;
const START_S = DAY * DAY_S;
const INTERVAL_S = 900;
const METER = 'h1-m';
const LIMIT_W = 20_000;
const CHANNELS = [Quantity.gridImport, Quantity.gridExport].map(
  (quantity) => ({ quantity, exponent: 0, widthBits: 64, limitW: LIMIT_W }) as const,
);

const settingsOf = (maxSpanS: number, estimatesOutages: boolean): IntervalSettings => ({
  intervalS: INTERVAL_S,
  maxSpanS,
  estimatesOutages,
});

function emptyRows<T extends WorkingSet = WorkingSet>(rows: T = new WorkingSet() as T): T {
  for (const table of ['channel', 'due', 'meter', 'rules'] as const) rows.loadWhole(table, []);
  rows.put('meter', METER, { kid: '00', home: 'h1', member: 'h1', index: 0, generation: 1, channels: CHANNELS });
  const settings = { netting: 1, consumerRule: 1, producerRule: 1, priceMicroPerKwh: 1, levyBasisPoints: 0 } as const;
  rows.put('rules', '0', { index: 0, number: 1, settings, firstIntervalS: 0, text: '' });
  rows.keepChanges();
  return rows;
}

/** As a use case does it: what is missing is loaded (here: as empty), and it is done again. */
function complete<T>(rows: WorkingSet, work: () => T): T {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof NeedRows)) throw error;
      for (const { table, key } of error.rows) rows.loadRow(table, key, undefined);
    }
  }
}

/** The same for work that changes rows. */
function committed(rows: WorkingSet, work: () => void): void {
  complete(rows, () => {
    rows.dropChanges();
    work();
  });
  rows.keepChanges();
}

function allReadings(rows: WorkingSet, quantity: number, days: number): Readings {
  return complete(rows, () =>
    Readings.joined(
      Array.from({ length: days }, (_, i) =>
        readingsOfDay(rows, { meter: METER, quantity }, START_S + (i - 1) * DAY_S),
      ),
    ),
  );
}

/** By the book: every edge from one instant to another, each unknown one between the nearest known on its two sides. */
function referenceEdges(
  readings: Readings,
  { fromS, toS }: { fromS: number; toS: number },
  settings: IntervalSettings,
): readonly (Edge | undefined)[] {
  const read: (Edge | undefined)[] = [];
  for (let edgeS = fromS; edgeS <= toS; edgeS += INTERVAL_S) read.push(edgeAt(readings, edgeS, settings));
  return read.map((own, at) => {
    if (own !== undefined) return own;
    const before = read.findLastIndex((edge, i) => i < at && edge !== undefined);
    const after = read.findIndex((edge, i) => i > at && edge !== undefined);
    const [start, end] = [read[before], read[after]];
    if (!start || !end || start.segment !== end.segment) return undefined;
    const part = (BigInt(end.valueMwh - start.valueMwh) * BigInt(at - before)) / BigInt(after - before);
    return { valueMwh: start.valueMwh + Number(part), quality: 3, segment: start.segment };
  });
}

/** Readings now and then, near edges and far from them, with outages of hours to days, sentinels' work and clocks astray. */
const walks = fc.array(
  fc.record({
    waitS: fc.oneof(
      fc.constant(900),
      fc.integer({ min: 1, max: 1_200 }),
      fc.integer({ min: 900, max: 40_000 }),
      fc.integer({ min: 100_000, max: 300_000 }),
    ),
    riseMwh: fc.integer({ min: 0, max: 400_000 }),
    oddMwh: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -9_000_000, max: 90_000_000_000 })),
    trustedClock: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
    snap: fc.boolean(),
  }),
  { minLength: 2, maxLength: 24 },
);
type Walk = readonly { waitS: number; riseMwh: number; oddMwh: number; trustedClock: boolean; snap: boolean }[];

function samplesOf(walk: Walk): Sample[] {
  const samples: Sample[] = [];
  let timeS = START_S;
  let valueMwh = 5_000_000;
  for (const { waitS, riseMwh, oddMwh, trustedClock, snap } of walk) {
    timeS += waitS;
    if (snap) timeS = Math.round(timeS / INTERVAL_S) * INTERVAL_S;
    if (timeS <= (samples.at(-1)?.timeS ?? START_S)) timeS = (samples.at(-1)?.timeS ?? START_S) + 1;
    valueMwh += riseMwh;
    samples.push({ timeS, valueMwh: Math.max(0, valueMwh + oddMwh), trustedClock });
  }
  return samples;
}

const runOf = ({ timeS, valueMwh, trustedClock }: Sample): SampleRun => ({
  timesS: [timeS],
  valuesMwh: [valueMwh],
  trustedClock,
});

/** Frames of so many samples each, in turn. */
function framesOf(samples: readonly Sample[], sizes: readonly number[]): readonly SampleRun[] {
  const frames: SampleRun[] = [];
  for (let from = 0, i = 0; from < samples.length; i++) {
    const part = samples.slice(from, from + sizes[i % sizes.length]!);
    frames.push({
      timesS: part.map(({ timeS }) => timeS),
      valuesMwh: part.map(({ valueMwh }) => valueMwh),
      trustedClock: part[0]!.trustedClock,
    });
    from += part.length;
  }
  return frames;
}

const spans = fc.constantFrom(0, 900, 3_600);

describe('the edges of an outage', () => {
  it('are those that asking every edge around finds', () => {
    let estimated = 0;
    fc.assert(
      fc.property(walks, spans, (walk, maxSpanS) => {
        const settings = settingsOf(maxSpanS, true);
        const rows = emptyRows();
        const channel = { meter: METER, quantity: Quantity.gridImport, limitW: LIMIT_W };
        for (const sample of samplesOf(walk)) {
          complete(rows, () => foldSamples(rows, channel, runOf(sample), INTERVAL_S));
        }
        const lastS = samplesOf(walk).at(-1)!.timeS;
        const readings = allReadings(rows, Quantity.gridImport, Math.ceil((lastS - START_S) / DAY_S) + 3);
        const edges = new ChannelEdges(rows, channel, settings);
        const span = { fromS: START_S, toS: Math.ceil(lastS / INTERVAL_S + 2) * INTERVAL_S };
        referenceEdges(readings, span, settings).forEach((expected, i) => {
          const found = complete(rows, () => edges.at(START_S + i * INTERVAL_S));
          expect(typeof found === 'object' ? found : undefined).toEqual(expected);
          if (expected?.quality === 3) estimated += 1;
        });
      }),
      { numRuns: 60 },
    );
    expect(estimated).toBeGreaterThan(100);
  });
});

/** Counts how often a row of readings is asked for. */
class CountedRows extends WorkingSet {
  readingsAsked = 0;

  override get<T extends RowTable>(table: T, key: string): RowTypes[T] | undefined {
    if (table === 'readings') this.readingsAsked += 1;
    return super.get(table, key);
  }
}

describe('a reading that ends an outage of most of a year', () => {
  it('costs a few looks for each interval, not a walk through the year for each', () => {
    const rows = emptyRows(new CountedRows());
    const settings = settingsOf(INTERVAL_S, true);
    const days = 300;
    for (const [index, timeS] of [START_S, START_S + days * DAY_S].entries()) {
      const run = { timesS: [timeS], valuesMwh: [index * days * DAY_S], trustedClock: true };
      const touched = { meter: METER, quantities: [1], timesS: run.timesS, index: index + 1, settings };
      committed(rows, () => {
        rows.readingsAsked = 0;
        touchIntervals(rows, touched, () => {
          foldSamples(rows, { meter: METER, quantity: 1, limitW: LIMIT_W }, run, INTERVAL_S);
        });
      });
    }
    const intervals = (days * DAY_S) / INTERVAL_S;
    expect(rows.all('due').length).toBe(intervals);
    expect(rows.readingsAsked).toBeLessThan(10 * intervals);
  });
});

describe('a change of readings', () => {
  function statesOf(rows: WorkingSet, settings: IntervalSettings, untilS: number): Map<number, MeterState> {
    const edges = new EdgeCache(rows, METER, settings);
    const states = new Map<number, MeterState>();
    for (let startS = START_S - DAY_S; startS < untilS; startS += INTERVAL_S) {
      states.set(
        startS,
        complete(rows, () => meterState(edges, { channels: CHANNELS }, startS)),
      );
    }
    return states;
  }

  it('touches exactly the intervals to which the meter contributes something else, in any order of arrival', () => {
    let reachedFar = 0;
    const inputs = fc.record({
      walk: walks,
      maxSpanS: spans,
      estimatesOutages: fc.boolean(),
      ranks: fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
      both: fc.boolean(),
      frameSizes: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
      isInOrder: fc.boolean(),
    });
    fc.assert(
      fc.property(inputs, ({ walk, maxSpanS, estimatesOutages, ranks, both, frameSizes, isInOrder }) => {
        const settings = settingsOf(maxSpanS, estimatesOutages);
        const samples = samplesOf(walk);
        const untilS = samples.at(-1)!.timeS + DAY_S;
        const order = framesOf(samples, frameSizes).map((run, i) => ({ run, rank: isInOrder ? i : ranks[i]! }));
        order.sort((a, b) => a.rank - b.rank);
        const rows = emptyRows();
        let before = statesOf(rows, settings, untilS);
        order.forEach(({ run }, i) => {
          const index = i + 1;
          // Now and then one of the two counters has no value.
          const quantities = both || i % 3 > 0 ? [1, 2] : [1 + (i % 2)];
          const touched = { meter: METER, quantities, timesS: run.timesS, index, settings };
          const work = () =>
            touchIntervals(rows, touched, () => {
              for (const quantity of quantities) {
                foldSamples(rows, { meter: METER, quantity, limitW: LIMIT_W }, run, INTERVAL_S);
              }
            });
          committed(rows, work);
          const after = statesOf(rows, settings, untilS);
          for (const [startS, state] of after) {
            const isChanged = !isSameState(before.get(startS)!, state);
            const row = complete(rows, () => rows.get('interval', String(startS).padStart(12, '0')));
            const isTouched = row?.touchedIndex === index;
            // What was not known before and is not known now is no interval yet.
            if (row !== undefined) expect([startS, isTouched]).toEqual([startS, isChanged]);
            else expect([startS, isChanged && state.hasEdges]).toEqual([startS, false]);
            if (isTouched && Math.abs(startS - run.timesS[0]!) > 2 * 3_600) reachedFar += 1;
          }
          before = after;
        });
      }),
      { numRuns: 80 },
    );
    expect(reachedFar).toBeGreaterThan(100);
  });
});
