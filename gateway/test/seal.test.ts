import {
  channelValues,
  encodeFramePayload,
  FRAME_LIMITS,
  MAX_MESSAGE_BYTES,
  type Quantity,
  sampleTimesS,
} from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sample, SampleChannel } from '../src/core/reading.js';
import { toSamples } from '../src/core/reading.js';
import { draftFrames, toPayload, toSamplesAgain } from '../src/core/seal.js';

const CLOCK = { source: 2, errorMs: 20, ageS: 0 };
const PLACE = { epoch: 1, number: 1, previous: new Uint8Array(32), mono: { boot: 1, uptimeMs: 5 } };

type Cell = readonly [meterIndex: number, quantity: number, value: bigint, status?: number];

function sample(atS: number, cells: readonly Cell[], change: Partial<Sample> = {}): Sample {
  const channels = cells.map(([meterIndex, quantity, value, status = 0]): SampleChannel => {
    return { meterIndex, quantity: quantity as Quantity, status, value };
  });
  return { atS, clock: CLOCK, channels, breakBefore: false, attempt: 0, ...change };
}

/** The instants of each draft. */
function times(samples: readonly Sample[]): number[][] {
  return draftFrames(samples).map((draft) => draft.samples.map(({ atS }) => atS));
}

describe('a frame', () => {
  it('holds all samples of the same channels, evenly or unevenly spaced', () => {
    const even = [0, 60, 120].map((s) => sample(1000 + s, [[0, 1, BigInt(s)]]));
    expect(toPayload(draftFrames(even)[0]!, PLACE)).toMatchObject({ startS: 1000, step: 60 });
    const uneven = [0, 60, 121].map((s) => sample(1000 + s, [[0, 1, BigInt(s)]]));
    expect(toPayload(draftFrames(uneven)[0]!, PLACE)).toMatchObject({ step: [60, 121] });
    expect(toPayload(draftFrames(even.slice(0, 1))[0]!, PLACE)).toMatchObject({ step: [] });
  });

  it.each([
    [
      'a channel comes',
      [
        sample(1, [[0, 1, 1n]]),
        sample(2, [
          [0, 1, 1n],
          [0, 2, 1n],
        ]),
      ],
    ],
    [
      'a channel goes',
      [
        sample(1, [
          [0, 1, 1n],
          [0, 2, 1n],
        ]),
        sample(2, [[0, 1, 1n]]),
      ],
    ],
    ['a channel changes status', [sample(1, [[0, 1, 1n]]), sample(2, [[0, 1, 1n, 2]])]],
    ['a meter missed a poll', [sample(1, [[0, 1, 1n]]), sample(2, [[0, 1, 1n]], { breakBefore: true })]],
    ['time does not rise', [sample(2, [[0, 1, 1n]]), sample(2, [[0, 1, 1n]])]],
    ['a counter falls', [sample(1, [[0, 1, 2n]]), sample(2, [[0, 1, 1n]])]],
    ['a counter leaps beyond a delta', [sample(1, [[0, 1, 0n]]), sample(2, [[0, 1, 1n << 53n]])]],
    [
      'the clock changes its source',
      [sample(1, [[0, 1, 1n]]), sample(2, [[0, 1, 1n]], { clock: { ...CLOCK, source: 0 } })],
    ],
    ['the clock was set', [sample(1, [[0, 1, 1n]]), sample(2, [[0, 1, 1n]], { clockStepS: -30 })]],
    ['a day has passed since its first instant', [sample(1, [[0, 1, 1n]]), sample(86_402, [[0, 1, 1n]])]],
  ])('ends where %s', (_, samples) => {
    expect(times(samples)).toEqual(samples.map(({ atS }) => [atS]));
  });

  it('goes on beside frames of other meters', () => {
    const samples = [1, 2, 3].flatMap((s) => [sample(10 * s, [[0, 1, 1n]]), sample(10 * s + 3, [[1, 1, 1n]])]);
    expect(times(samples)).toEqual([
      [10, 20, 30],
      [13, 23, 33],
    ]);
  });

  it('goes on beside frames of other counters of the same meter, read at another time', () => {
    const samples = [1, 2, 3].flatMap((s) => [sample(10 * s, [[0, 1, 1n]]), sample(10 * s + 3, [[0, 3, 1n]])]);
    expect(times(samples)).toEqual([
      [10, 20, 30],
      [13, 23, 33],
    ]);
  });

  it('does not go on across another frame of its channels', () => {
    const one: Cell[] = [[0, 1, 1n]];
    const two: Cell[] = [
      [0, 1, 1n],
      [1, 1, 1n],
    ];
    expect(times([sample(1, one), sample(2, two), sample(3, one)])).toEqual([[1], [2], [3]]);
  });

  it('tells that the clock was set, and by how much', () => {
    const payload = toPayload(draftFrames([sample(1, [[0, 1, 1n]], { clockStepS: -3600 })])[0]!, PLACE);
    expect(payload.events).toEqual([{ offsetS: 0, code: 2, argument: 3600 }]);
  });

  it('has at most 16 channels, and does not tear a meter apart for it', () => {
    const cells = [0, 1, 2, 3].flatMap((meter) => [1, 2, 3, 4, 5].map((quantity): Cell => [meter, quantity, 1n]));
    const drafts = draftFrames([sample(1, cells), sample(2, cells)]);
    expect(drafts.map(({ samples }) => samples[0]!.channels.length)).toEqual([15, 5]);
    expect(drafts.map(({ samples }) => samples.length)).toEqual([2, 2]);
  });

  it('has at most 288 instants and 4096 bytes', () => {
    const many = Array.from({ length: 600 }, (_, i) => sample(i * 10, [[0, 1, BigInt(i)]]));
    expect(draftFrames(many).map(({ samples }) => samples.length)).toEqual([288, 288, 24]);
    const wide = Array.from({ length: 288 }, (_, i) =>
      sample(
        i * 10,
        Array.from({ length: 7 }, (__, q): Cell => [0, q + 1, BigInt(i) * 1_000_000_000_000n]),
      ),
    );
    const drafts = draftFrames(wide);
    expect(drafts.length).toBeGreaterThan(1);
    for (const draft of drafts) {
      expect(encodeFramePayload(toPayload(draft, PLACE)).length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES - 86);
    }
  });

  it('loses and changes nothing, whatever waits, and gives the same samples again', () => {
    const anySample = fc.record({
      atS: fc.integer({ min: 0, max: 200_000 }),
      cells: fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 7 })), {
        minLength: 1,
        maxLength: 28,
        selector: ([meter, quantity]) => meter * 8 + quantity,
      }),
      value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      breakBefore: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anySample, { maxLength: 40 }), (list) => {
        const samples = list
          .toSorted((a, b) => a.atS - b.atS)
          .map(({ atS, cells, value, breakBefore }) => {
            const sorted = cells.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
            return sample(
              atS,
              sorted.map(([m, q]): Cell => [m, q, value]),
              { breakBefore },
            );
          });
        const flat = (all: readonly Sample[]) =>
          all
            .flatMap(({ atS, channels }) => channels.map((c) => `${atS} ${c.meterIndex} ${c.quantity} ${c.value}`))
            .sort();
        const payloads = draftFrames(samples).map((draft) => toPayload(draft, PLACE));
        for (const payload of payloads) {
          encodeFramePayload(payload);
          expect(payload.channels.length).toBeLessThanOrEqual(FRAME_LIMITS.maxChannels);
          expect(channelValues(payload.channels[0]!)).toHaveLength(sampleTimesS(payload).length);
        }
        expect(flat(payloads.flatMap((payload) => toSamplesAgain(payload, 0)))).toEqual(flat(samples));
      }),
    );
  });
});

describe('the readings of a round', () => {
  const reading = (meterIndex: number, atMs: number) => ({
    meterIndex,
    atMs,
    quality: CLOCK,
    counters: [{ quantity: 1 as const, value: 1n }],
    power: {},
  });
  const context = { lastS: () => undefined, missed: () => false };

  it('share a sample up to a second apart', () => {
    const samples = toSamples([reading(2, 11_000), reading(1, 10_000), reading(3, 11_001)], context);
    expect(samples.map(({ atS, channels }) => [atS, channels.map((c) => c.meterIndex)])).toEqual([
      [10, [1, 2]],
      [11, [3]],
    ]);
  });

  it('are dated in the second in which they were made, never in the next', () => {
    expect(toSamples([reading(1, 9_999.9)], context)[0]!.atS).toBe(9);
  });

  it('give nothing for a meter that was read in this second before', () => {
    expect(toSamples([reading(1, 10_500)], { ...context, lastS: () => 10 })).toEqual([]);
  });
});
