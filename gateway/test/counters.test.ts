import { CounterCause } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { type CounterJudgement, judgeCounters } from '../src/core/counters.js';
import type { ChannelConfig } from '../src/core/gateway-config.js';
import type { MeterState } from '../src/core/state.js';

const CHANNELS: ChannelConfig[] = [
  { quantity: 1, exponent: 0, widthBits: 32, limitW: 10_000 },
  { quantity: 2, exponent: 0, widthBits: 32, limitW: 10_000 },
];

/** Looks at the meter a quarter of an hour apart. */
function looks(...rows: readonly (readonly [bigint | undefined, bigint | undefined])[]): CounterJudgement[] {
  let state: MeterState = { generation: 1, baselines: new Map() };
  return rows.map(([imported, exported], at) => {
    const counters = [
      ...(imported === undefined ? [] : [{ quantity: 1 as const, value: imported }]),
      ...(exported === undefined ? [] : [{ quantity: 2 as const, value: exported }]),
    ];
    const judgement = judgeCounters(state, { atS: at * 900, counters }, CHANNELS);
    state = judgement.state;
    return judgement;
  });
}

const baselineOf = ({ state }: CounterJudgement) =>
  [1, 2].map((quantity) => state.baselines.get(quantity as 1 | 2)?.value);

describe('counters', () => {
  it('that go on, or stand still, give no event', () => {
    const all = looks([100n, 5n], [200n, 5n], [200n, 6n]);
    expect(all.map(({ event }) => event)).toEqual([undefined, undefined, undefined]);
    expect(baselineOf(all.at(-1)!)).toEqual([200n, 6n]);
  });

  it('that fall once and come back were a glitch: the baseline stays', () => {
    const all = looks([1000n, 5n], [0n, 5n], [1100n, 6n]);
    expect(all.map(({ event }) => event)).toEqual([undefined, undefined, undefined]);
    expect(baselineOf(all[1]!)).toEqual([1000n, 5n]);
    expect(baselineOf(all[2]!)).toEqual([1100n, 6n]);
    expect(all[2]!.state.suspicion).toBeUndefined();
  });

  it('that began anew open a generation when the next reading confirms it', () => {
    const all = looks([100_000n, 50n], [3n, 51n], [10n, 52n]);
    expect(all[1]!.event).toBeUndefined();
    expect(all[2]!.event).toEqual({
      generation: 2,
      cause: CounterCause.reset,
      channels: [
        { quantity: 1, last: 100_000n, first: 3n },
        { quantity: 2, last: 51n, first: 51n },
      ],
      fromS: 900,
    });
    expect(all[2]!.state.generation).toBe(2);
    expect(baselineOf(all[2]!)).toEqual([10n, 52n]);
  });

  it('that fall further are judged from the lower value', () => {
    const all = looks([1000n, 5n], [500n, 5n], [20n, 5n], [25n, 5n]);
    expect(all.map(({ event }) => event?.channels[0])).toEqual([
      undefined,
      undefined,
      undefined,
      { quantity: 1, last: 1000n, first: 20n },
    ]);
  });

  it('that ran over at the end of their width say so', () => {
    const last = (1n << 32n) - 100n;
    const all = looks([last, 5n], [40n, 5n], [80n, 5n]);
    expect(all[2]!.event).toMatchObject({ cause: CounterCause.rollover, channels: [{ last, first: 40n }, {}] });
  });

  it('that leap beyond the nameplate and come back were a glitch', () => {
    // 10 kW for a quarter of an hour are 2500 Wh, with a tenth 2750.
    const all = looks([1000n, 5n], [5_000_000n, 5n], [1200n, 5n], [1300n, 5n]);
    expect(all.map(({ event }) => event)).toEqual(all.map(() => undefined));
    expect(baselineOf(all[1]!)[0]).toBe(1000n);
    expect(baselineOf(all[3]!)[0]).toBe(1300n);
  });

  it('that leap and stay are believed with the second reading, without an event', () => {
    const all = looks([1000n, 5n], [5_000_000n, 5n], [5_000_100n, 5n]);
    expect(all[2]!.event).toBeUndefined();
    expect(baselineOf(all[2]!)[0]).toBe(5_000_100n);
  });

  it('are not judged by a nameplate that is not known, nor over a clock that was set back', () => {
    const free = CHANNELS.map((channel) => ({ ...channel, limitW: 0 }));
    const state: MeterState = { generation: 1, baselines: new Map([[1, { value: 10n, atS: 1000 }]]) };
    const far = { atS: 1900, counters: [{ quantity: 1 as const, value: 1n << 60n }] };
    expect(judgeCounters(state, far, free).state.suspicion).toBeUndefined();
    expect(judgeCounters(state, { ...far, atS: 500 }, CHANNELS).state.suspicion).toBeUndefined();
  });

  it('without a value keep their suspicion for the reading that has one', () => {
    const all = looks([1000n, 5n], [3n, 5n], [undefined, 6n], [4n, 7n]);
    expect(all.map(({ event }) => event?.generation)).toEqual([undefined, undefined, undefined, undefined]);
    expect(baselineOf(all[3]!)).toEqual([1000n, 7n]);
    const next = judgeCounters(all[3]!.state, { atS: 3600, counters: [{ quantity: 1, value: 5n }] }, CHANNELS);
    expect(next.event?.channels[0]).toEqual({ quantity: 1, last: 1000n, first: 4n });
  });
});
