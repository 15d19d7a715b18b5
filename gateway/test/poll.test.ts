import { findProfile } from '@commonwatt/firmware-protocol/registers';
import { describe, expect, it } from 'vitest';
import type { MeterLink, RegisterRange } from '../src/core/meter-link.js';
import { MeterPoller } from '../src/core/poll.js';
import { GatewayError } from '../src/errors.js';
import { EDGE_MS, meterConfig } from './support/box.js';
import { FakeMeter, ManualClock, ManualTimers, unreachable } from './support/fakes.js';

const EDGE = { isEdge: true };

function poller(link: MeterLink, change = {}): { poller: MeterPoller; timers: ManualTimers; clock: ManualClock } {
  const timers = new ManualTimers();
  const clock = new ManualClock(EDGE_MS);
  return { poller: new MeterPoller({ meter: meterConfig(0, change), link, clock, timers }), timers, clock };
}

/** A SunSpec inverter (103) and meter (203); `base` moves with a firmware update. */
class SunSpecDevice implements MeterLink {
  base = 40_000;
  connections = 1;
  requests = 0;
  readonly asked: string[] = [];
  counterWh = 1000;
  hasMeter = false;

  async read(_unit: number, { address, count }: RegisterRange, onSent?: () => void): Promise<readonly number[]> {
    this.requests++;
    onSent?.();
    this.asked.push(`${address}+${count}`);
    const image = this.#image();
    const words = Array.from({ length: count }, (_, at) => image.get(address + at));
    if (words.includes(undefined)) throw new GatewayError('meter-exception', 'no such register', { modbusCode: 2 });
    return words as number[];
  }

  #image(): Map<number, number> {
    const image = new Map<number, number>();
    const put = (address: number, words: readonly number[]) => {
      for (const [at, word] of words.entries()) image.set(address + at, word);
    };
    put(this.base, [0x5375, 0x6e53]);
    put(this.base + 2, [1, 66, ...new Array<number>(66).fill(0)]);
    const inverter = new Array<number>(52).fill(0xffff);
    inverter[0] = 103;
    inverter[1] = 50;
    inverter[24] = 0;
    inverter[25] = this.counterWh;
    inverter[26] = 1;
    put(this.base + 70, inverter);
    const meter = new Array<number>(107).fill(0);
    meter.splice(0, 2, 203, 105);
    meter.splice(46, 2, 0, this.counterWh);
    if (this.hasMeter) put(this.base + 122, meter);
    put(this.base + (this.hasMeter ? 229 : 122), [0xffff, 0]);
    return image;
  }

  close(): void {}
}

describe('a poll', () => {
  it('gives the enrolled channels that have a value, dated in the middle between request and answer', async () => {
    const meter = new FakeMeter();
    meter.values = [5n, undefined, 7n];
    const parts = poller(meter);
    const read = meter.read.bind(meter);
    meter.read = async (unit, range, onSent) => {
      // Connecting, and the pause between two requests, are no part of the reading.
      parts.clock.utcMs += 5000;
      const words = await read(unit, range, onSent);
      parts.clock.utcMs += 300;
      return words;
    };
    expect(await parts.poller.poll(EDGE)).toMatchObject({
      kind: 'reading',
      readings: [
        {
          meterIndex: 0,
          atMs: EDGE_MS + 5150,
          counters: [
            { quantity: 1, value: 5n },
            { quantity: 3, value: 7n },
          ],
        },
      ],
    });
  });

  it('reads the counters first, and dates them without what comes after', async () => {
    const meter = new FakeMeter();
    const parts = poller(meter, {
      profile: findProfile('eastron-sdm230'),
      channels: [{ quantity: 1 as const, exponent: 0, widthBits: 64, limitW: 0 }],
    });
    const asked: number[] = [];
    meter.read = async (_unit, { address, count }, onSent) => {
      onSent?.();
      asked.push(address);
      parts.clock.utcMs += 1000;
      // 1.5 as float32 in each pair.
      return Array.from({ length: count }, (_, at) => (at % 2 === 0 ? 0x3fc0 : 0));
    };
    expect(await parts.poller.poll(EDGE)).toMatchObject({ readings: [{ atMs: EDGE_MS + 500, power: { gridW: 1.5 } }] });
    expect(asked).toEqual([72, 12]);
  });

  it('takes a dead connection from an earlier poll for no reason to miss an edge', async () => {
    const meter = new FakeMeter();
    let fails = 1;
    const read = meter.read.bind(meter);
    meter.read = async (unit, range) => {
      if (fails-- > 0) throw unreachable;
      return read(unit, range);
    };
    expect(await poller(meter).poller.poll(EDGE)).toMatchObject({ kind: 'reading' });
    fails = 1;
    expect(await poller(meter).poller.poll({ isEdge: false })).toMatchObject({ kind: 'failed' });
  });

  it('does not try a device again at once that took a fresh connection and then failed', async () => {
    const meter = new FakeMeter();
    let asked = 0;
    meter.read = async () => {
      asked++;
      meter.connections++;
      throw unreachable;
    };
    expect(await poller(meter).poller.poll(EDGE)).toMatchObject({ kind: 'failed', code: 'meter-unreachable' });
    expect(asked).toBe(1);
  });

  it('takes an exception for an answer: no value, and no second try', async () => {
    const meter = new FakeMeter();
    meter.failure = new GatewayError('meter-exception', 'exception 4', { modbusCode: 4 });
    expect(await poller(meter).poller.poll(EDGE)).toEqual({
      kind: 'failed',
      code: 'meter-exception',
      reason: 'exception 4',
    });
    expect(meter.requests).toBe(1);
  });

  it('rests between edges after a failure, twice as long each time, at most a minute', async () => {
    const meter = new FakeMeter();
    meter.failure = unreachable;
    const { poller: poll, timers } = poller(meter);
    const tries: number[] = [];
    for (let second = 0; second < 400; second++) {
      const before = meter.requests;
      await poll.poll({ isEdge: false });
      if (meter.requests > before) tries.push(second);
      await timers.advance(1000);
    }
    expect(tries).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363]);
    meter.failure = undefined;
    expect(await poll.poll(EDGE)).toMatchObject({ kind: 'reading' });
  });

  it('dates blocks of counters that were read far apart each for itself', async () => {
    const device = new SunSpecDevice();
    device.hasMeter = true;
    const quantities = [1, 3] as const;
    const channels = quantities.map((quantity) => ({ quantity, exponent: 0, widthBits: 32, limitW: 0 }));
    const parts = poller(device, { profile: findProfile('sunspec-103-203'), channels });
    const readings = async () => {
      const outcome = await parts.poller.poll(EDGE);
      if (outcome.kind !== 'reading') throw new Error(outcome.reason);
      return outcome.readings.map(({ atMs, counters }) => [atMs - EDGE_MS, counters.map(({ quantity }) => quantity)]);
    };
    expect(await readings()).toEqual([[0, [1, 3]]]);
    const read = device.read.bind(device);
    device.read = async (unit, range, onSent) => {
      parts.clock.utcMs += 4000;
      return read(unit, range, onSent);
    };
    expect(await readings()).toEqual([
      [4000, [3]],
      [8000, [1]],
    ]);
  });

  it('walks a chain of models once, and again over each new connection', async () => {
    const device = new SunSpecDevice();
    const profile = findProfile('sunspec-103-203');
    const channels = [{ quantity: 3 as const, exponent: 0, widthBits: 32, limitW: 0 }];
    const { poller: poll } = poller(device, { profile, channels });
    const value = async () => {
      const outcome = await poll.poll(EDGE);
      return outcome.kind === 'reading' ? outcome.readings.flatMap(({ counters }) => counters) : outcome;
    };
    // The scale factor is 1: the register counts tens of Wh.
    expect(await value()).toEqual([{ quantity: 3, value: 10_000n }]);
    const walked = device.requests;
    device.counterWh = 1001;
    expect(await value()).toEqual([{ quantity: 3, value: 10_010n }]);
    expect(device.requests).toBe(walked + 1);
    device.base = 50_000;
    device.connections++;
    expect(await value()).toEqual([{ quantity: 3, value: 10_010n }]);
    expect(device.requests).toBeGreaterThan(walked + 2);
  });
});
