import { Quantity } from '@commonwatt/firmware-protocol';
import {
  type BlockWords,
  decodeReadings,
  decodeSerial,
  findProfile,
  planReads,
  planSerialRead,
  type SunSpecLayout,
  walkSunSpec,
} from '@commonwatt/firmware-protocol/registers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SimDevice } from '../src/devices/device.js';
import { bendState, type DeviceState } from '../src/devices/device-state.js';
import { sunSpecImage } from '../src/devices/sunspec-image.js';
import { tableImage } from '../src/devices/table-image.js';
import type { RegisterSource } from '../src/modbus/answer.js';
import { PortKeeper } from '../src/modbus/port-keeper.js';
import { readRequest } from './support/probe.js';
import { Bench } from './support/servers.js';

const bench = new Bench();

function state(importMwh: number | 'absent', exportMwh: number, generationMwh: number, gridMw: number): DeviceState {
  return {
    countersMwh: new Map([
      [Quantity.gridImport, importMwh],
      [Quantity.gridExport, exportMwh],
      [Quantity.generation, generationMwh],
    ]),
    gridMw,
    generationMw: 2_300_000,
  };
}

/** What a gateway makes of the registers: walk, plan, read, decode. */
async function readAll(name: string, image: RegisterSource) {
  const profile = findProfile(name);
  const holding = async (address: number, count: number) => {
    const words = image.functions.includes(3) ? image.read(3, address, count) : undefined;
    if (words === undefined) throw Object.assign(new Error('exception 2'), { modbusCode: 2 });
    return words;
  };
  const layout: SunSpecLayout | undefined = profile.kind === 'sunspec' ? await walkSunSpec(holding) : undefined;
  const blocks: BlockWords[] = planReads(profile, layout).map((block) => ({
    block,
    words: image.read(block.function, block.address, block.count) ?? [],
  }));
  const readings = decodeReadings(profile, blocks, layout);
  const counters = Object.fromEntries(readings.counters.map(({ quantity, value }) => [quantity, value]));
  const serialAt = planSerialRead(profile, layout);
  const serialWords = serialAt && image.read(serialAt.function, serialAt.address, serialAt.count);
  return { ...readings, counters, layout, serialApart: serialWords && decodeSerial(profile, serialWords) };
}

describe('the registers of an Eastron meter', () => {
  // By hand: 12345.678 kWh is 4640E6B6 and -1234.5 W is C49A5000 as IEEE 754 single.
  it('stand where the datasheet says, as float32', () => {
    const image = tableImage(findProfile('eastron-sdm630'), state(12_345_678_000, 100_000_000, 0, -1_234_500), 77);
    expect(image.read(4, 72, 4)).toEqual([0x4640, 0xe6b6, 0x42c8, 0x0000]);
    expect(image.read(4, 52, 2)).toEqual([0xc49a, 0x5000]);
    expect(image.read(3, 0xfc00, 2)).toEqual([0, 77]);
    expect(image.read(4, 0, 88)).toHaveLength(88);
    expect(image.read(4, 0, 89)).toBeUndefined();
    expect(image.read(3, 0, 2)).toBeUndefined();
  });

  it('of the one-phase kind show the power at 12', () => {
    const image = tableImage(findProfile('eastron-sdm230'), state(1_000_000, 0, 0, 230_200), 1);
    expect(image.read(4, 12, 2)).toEqual([0x4366, 0x3333]);
  });
});

describe('the registers of the reference meter', () => {
  it('are 24, all ones where there is nothing', () => {
    const image = tableImage(findProfile('reference'), state('absent', 0, 8_753_956_000, -1_500_000), 4242);
    const ones = [0xffff, 0xffff, 0xffff, 0xffff];
    expect(image.read(4, 0, 24)).toEqual(
      [ones, [0, 0, 0, 0], [0, 2, 0x09c6, 0xc4a0], ones, ones, [0xffff, 0xfa24], [0, 4242]].flat(),
    );
    expect(image.read(4, 0, 25)).toBeUndefined();
    expect(image.functions).toEqual([4]);
  });
});

describe('the registers of a SunSpec device', () => {
  const shape = { base: 40000, serial: 9, inverter: true, meter: true, energyScale: 0 } as const;

  // The addresses that the model definitions give for [SunS, 1, 103]: W 40084, WH 40094, WH_SF 40096.
  it('stand where the chain of a lone inverter puts them', () => {
    const image = sunSpecImage(state(0, 0, 12_345_678_000, 0), { ...shape, meter: false });
    expect(image.read(3, 40_000, 4)).toEqual([0x5375, 0x6e53, 1, 66]);
    expect(image.read(3, 40_070, 2)).toEqual([103, 50]);
    expect(image.read(3, 40_084, 2)).toEqual([23_000, 0xffff]);
    expect(image.read(3, 40_094, 3)).toEqual([0x00bc, 0x614e, 0]);
    expect(image.read(3, 40_122, 2)).toEqual([0xffff, 0]);
    expect(image.read(3, 40_122, 3)).toBeUndefined();
  });

  it('put the export before the import', () => {
    const image = sunSpecImage(state(9_999_999_000, 1_234_567_000, 0, 0), { ...shape, inverter: false });
    expect(image.read(3, 40_070, 2)).toEqual([203, 105]);
    expect(image.read(3, 40_070 + 38, 2)).toEqual([0x0012, 0xd687]);
    expect(image.read(3, 40_070 + 46, 2)).toEqual([0x0098, 0x967f]);
  });
});

describe('what a gateway reads', () => {
  it.each(['eastron-sdm630', 'reference', 'sunspec-103-203'])('from a %s is what it measured', async (name) => {
    const measured = state(9_999_999_000, 1_234_567_000, 12_345_678_000, -1_500_000);
    const profile = findProfile(name);
    const image =
      profile.kind === 'table'
        ? tableImage(profile, measured, 5)
        : sunSpecImage(measured, { base: 50000, serial: 5, inverter: true, meter: true, energyScale: 0 });
    const { counters, powerW, serial, serialApart } = await readAll(name, image);
    const perWh = name === 'reference' ? 1000n : 1n;
    expect(counters[1]).toBe(9_999_999n * perWh);
    expect(counters[2]).toBe(1_234_567n * perWh);
    if (name !== 'eastron-sdm630') expect(counters[3]).toBe(12_345_678n * perWh);
    expect(powerW.gridW).toBe(-1500);
    expect(serial ?? serialApart).toBe('5');
  });

  it('never exceeds the truth, and loses less than the profile’s resolution', async () => {
    const energyMwh = fc.integer({ min: 1_000_000, max: 60_000_000_000 });
    await fc.assert(
      fc.asyncProperty(energyMwh, fc.constantFrom(-2, -1, 0, 1, 2), async (importMwh, energyScale) => {
        const measured = state(importMwh, 0, 0, 0);
        const shape = { base: 0, serial: 1, inverter: false, meter: true, energyScale } as const;
        const fits = (BigInt(importMwh) / 1000n) * 10n ** BigInt(Math.max(0, -energyScale)) < 1n << 32n;
        const { counters } = await readAll('sunspec-103-203', sunSpecImage(measured, shape));
        const read = counters[1] === 'absent' ? 0 : Number(counters[1]) * 1000;
        if (!fits) return;
        expect(read).toBeLessThanOrEqual(importMwh);
        expect(importMwh - read).toBeLessThan(1000 * 10 ** Math.max(0, energyScale));
        const exact = await readAll('reference', tableImage(findProfile('reference'), measured, 1));
        expect(exact.counters[1]).toBe(BigInt(importMwh));
      }),
    );
  });

  it('shows powers beyond the reach of an int16 with a scale factor that steps aside', async () => {
    for (const gridMw of [3_199_900, 3_200_000, 31_999_000, 32_000_000, 2_000_000_000, -2_000_000_000]) {
      const shape = { base: 40000, serial: 1, inverter: false, meter: true, energyScale: 0 } as const;
      const { powerW } = await readAll('sunspec-103-203', sunSpecImage(state(1000, 0, 0, gridMw), shape));
      expect(Math.abs((powerW.gridW ?? 0) - gridMw / 1000)).toBeLessThanOrEqual(50);
    }
  });
});

describe('lies on command', () => {
  const truth = state(5_000_000, 3_000_000, 9_000_000, 100);

  it('zeros, sentinels, a step back and a leap', () => {
    const counters = (fault: Parameters<typeof bendState>[1]) => [...bendState(truth, fault).countersMwh.values()];
    expect(counters({ kind: 'zeros' })).toEqual([0, 0, 0]);
    expect(counters({ kind: 'sentinels' })).toEqual(['absent', 'absent', 'absent']);
    expect(counters({ kind: 'step-back', energyMwh: 4_000_000 })).toEqual([1_000_000, 0, 5_000_000]);
    expect(counters({ kind: 'leap', energyMwh: 1 })).toEqual([5_000_001, 3_000_001, 9_000_001]);
    expect(bendState(truth, undefined)).toBe(truth);
  });

  it('last as many requests as told, and frozen values are those of the moment', async () => {
    let importMwh = 1_000;
    const keeper = new PortKeeper();
    const device = new SimDevice({
      profile: findProfile('reference'),
      channels: [Quantity.gridImport],
      serial: 1,
      host: '127.0.0.1',
      port: 0,
      keeper,
      measure: () => state(importMwh, 0, 0, 0),
    });
    bench.later(() => {
      device.server.stop();
      keeper.stop();
    });
    await device.server.accept();
    const probe = await bench.probe(device.server.port);
    const read = async () => {
      probe.send(readRequest(1, 4, 3, 1));
      return Number.parseInt((await probe.take(11)).slice(-4), 16);
    };
    await device.setFault({ on: 'values', fault: { kind: 'frozen' } }, 2);
    importMwh = 2_000;
    expect([await read(), await read(), await read()]).toEqual([1000, 1000, 2000]);
    await device.setFault({ on: 'values', fault: { kind: 'zeros' } });
    expect(await read()).toBe(0);
    await device.heal();
    expect(await read()).toBe(2000);
    await device.setFault({ on: 'port' });
    expect(device.server.listening).toBe(false);
    await device.heal();
    expect(device.server.listening).toBe(true);
  });
});
