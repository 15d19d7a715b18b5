import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BlockWords, decodeReadings, planReads, walkSunSpec } from '@commonwatt/firmware-protocol/registers';
import modbus from 'modbus-serial';
import { afterEach, describe, expect, it } from 'vitest';
import { SettableClock } from '../src/clock.js';
import type { SimDevice } from '../src/devices/device.js';
import { readDefaultStreet, withCount } from '../src/scenarios.js';
import { readStateFile, type SavedStreet, writeStateFile } from '../src/street/state-file.js';
import { deviceChannels, Street } from '../src/street/street.js';

const ModbusRTU = modbus.default;
const QUARTER_MS = 900_000;
const NOON_MS = Date.UTC(2024, 5, 21, 11);
const ends: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function openStreet(saved?: SavedStreet, clock = new SettableClock(() => 0n)) {
  const scenario = await readDefaultStreet();
  const options = { scenario, clock, host: '127.0.0.1', firstPort: 0, intervalMs: QUARTER_MS };
  const street = new Street({ ...options, ...(saved === undefined ? {} : { saved }) });
  await street.start();
  ends.push(() => street.stop());
  return { street, clock };
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'commonwatt-sim-'));
  ends.push(() => rm(path, { recursive: true }));
  return path;
}

/** As a gateway reads: over the wire, by the profile, everything. */
async function readDevice({ profile, server }: SimDevice) {
  const client = new ModbusRTU();
  client.on('error', () => {});
  client.setTimeout(2000);
  await client.connectTCP('127.0.0.1', { port: server.port });
  client.setID(profile.unit);
  const holding = async (address: number, count: number) => (await client.readHoldingRegisters(address, count)).data;
  const layout = profile.kind === 'sunspec' ? await walkSunSpec(holding) : undefined;
  const answers: BlockWords[] = [];
  for (const block of planReads(profile, layout)) {
    const { data } =
      block.function === 3
        ? await client.readHoldingRegisters(block.address, block.count)
        : await client.readInputRegisters(block.address, block.count);
    answers.push({ block, words: data });
  }
  client.destroy(() => {});
  return decodeReadings(profile, answers, layout);
}

describe('the street that comes with the program', () => {
  it('has at least eight different homes: with and without sun, a battery, a shop, four kinds of meter', async () => {
    const { homes } = await readDefaultStreet();
    expect(homes.length).toBeGreaterThanOrEqual(8);
    expect(homes.filter(({ panels }) => panels.length > 0).length).toBeGreaterThanOrEqual(3);
    expect(homes.filter(({ panels }) => panels.length === 0).length).toBeGreaterThanOrEqual(3);
    expect(homes.some(({ battery }) => battery !== undefined)).toBe(true);
    expect(homes.some(({ load }) => load.shape === 'shop')).toBe(true);
    const profiles = new Set(homes.flatMap(({ meters }) => meters));
    expect([...profiles].sort()).toEqual(['eastron-sdm230', 'eastron-sdm630', 'reference', 'sunspec-103-203']);
    expect(new Set(homes.map((home) => JSON.stringify({ ...home, id: '', seed: 0 }))).size).toBe(homes.length);
  });

  it('can be longer or shorter than it is', async () => {
    const scenario = await readDefaultStreet();
    expect(withCount(scenario, 3).homes.map(({ id }) => id)).toEqual(['linden-1', 'linden-2', 'bakery']);
    const many = withCount(scenario, 45).homes;
    expect(new Set(many.map(({ id }) => id)).size).toBe(45);
    expect(new Set(many.map(({ seed }) => seed)).size).toBe(45);
    expect(many[10]?.panels[0]?.kwp).not.toBe(many[0]?.panels[0]?.kwp);
  });

  it('says over Modbus, at an edge, what the truth file says of it', async () => {
    const { street, clock } = await openStreet();
    clock.stand(NOON_MS);
    street.advance();
    clock.stand(NOON_MS + QUARTER_MS);
    const path = join(await folder(), 'truth.csv');
    const read = await Promise.all(
      street.homes.flatMap(({ scenario, devices }) =>
        devices.map(async (device, meter) => ({ id: scenario.id, meter, device, readings: await readDevice(device) })),
      ),
    );
    const { rows } = await street.truth.write(path);
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    expect(lines[0]).toBe('utc_timestamp,home,meter,register,value_kwh');
    expect(lines.length).toBe(rows + 1);
    const truth = new Map(lines.map((line) => [line.split(',').slice(0, 4).join(), line.split(',')[4]!]));
    const names = ['', 'import', 'export', 'generation', 'charge', 'discharge'];
    for (const { id, meter, device, readings } of read) {
      for (const quantity of device.channels) {
        const channel = device.profile.channels.find((one) => one.quantity === quantity)!;
        const value = readings.counters.find((one) => one.quantity === quantity)!.value;
        const trueMwh = BigInt(truth.get(`2024-06-21T11:15:00Z,${id},${meter},${names[quantity]}`)!.replace('.', ''));
        expect(value, `${id} ${names[quantity]}`).not.toBe('absent');
        const readMwh = BigInt(value) * 10n ** BigInt(channel.exponent + 3);
        const lost = Number(trueMwh - readMwh);
        if (device.profile.name === 'reference') expect(lost).toBe(0);
        else expect(Math.abs(lost)).toBeLessThanOrEqual(3000);
      }
    }
  });

  it('shows powers that the counters agree with, on every device', async () => {
    const { street, clock } = await openStreet();
    const STEP_MS = 10_000;
    clock.stand(NOON_MS);
    const first = await Promise.all(street.homes.map(({ devices }) => readDevice(devices[0]!)));
    clock.stand(NOON_MS + STEP_MS - 1);
    const last = await Promise.all(street.homes.map(({ devices }) => readDevice(devices[0]!)));
    street.homes.forEach(({ devices }, index) => {
      if (devices[0]!.profile.name !== 'reference') return;
      const at = (readings: typeof first, quantity: number) =>
        Number(readings[index]!.counters.find((one) => one.quantity === quantity)!.value);
      const exportMwh = devices[0]!.channels.includes(2) ? at(last, 2) - at(first, 2) : 0;
      const netMwh = at(last, 1) - at(first, 1) - exportMwh;
      const expectedMwh = ((first[index]!.powerW.gridW ?? 0) * 1000 * STEP_MS) / 3_600_000;
      expect(Math.abs(netMwh - expectedMwh)).toBeLessThan(5);
    });
  });

  it('stands still until someone says what time it is', async () => {
    const { street } = await openStreet();
    const meter = street.homes[0]!.devices[0]!;
    const before = await readDevice(meter);
    expect(before.powerW.gridW).toBe(0);
    expect((await readDevice(meter)).counters).toEqual(before.counters);
    expect(street.truth.size).toBe(0);
  });

  it('enrols a second device only where the grid meter does not see the sun', async () => {
    const { homes } = await readDefaultStreet();
    for (const home of homes) {
      const channels = deviceChannels(home).flatMap((device) => device.channels);
      expect(channels.includes(3)).toBe(home.panels.length > 0);
      expect(channels.includes(2)).toBe(home.panels.length > 0);
      expect(new Set(channels).size).toBe(channels.length);
    }
  });
});

describe('a street that stops and goes on', () => {
  it('goes on from its state file as if it had never stopped', async () => {
    const path = join(await folder(), 'deep', 'state.json');
    const whole = await openStreet();
    for (const timeMs of [NOON_MS, NOON_MS + 3 * QUARTER_MS]) {
      whole.clock.stand(timeMs);
      whole.street.advance();
    }
    const first = await openStreet();
    for (const timeMs of [NOON_MS, NOON_MS + QUARTER_MS]) {
      first.clock.stand(timeMs);
      first.street.advance();
    }
    await writeStateFile(path, first.street.saved);
    const second = await openStreet(await readStateFile(path));
    second.clock.stand(NOON_MS + 3 * QUARTER_MS);
    second.street.advance();
    const newest = (saved: SavedStreet) => [...saved].map(([id, states]) => [id, states.at(-1)]);
    expect(newest(second.street.saved)).toEqual(newest(whole.street.saved));
  });

  it('keeps the counters of a state that was never advanced', async () => {
    const { street, clock } = await openStreet();
    clock.stand(NOON_MS);
    street.advance();
    const idle = await openStreet(street.saved);
    expect(idle.street.saved).toEqual(street.saved);
  });

  it('has no state where there is no file, and refuses a damaged one', async () => {
    const path = join(await folder(), 'state.json');
    expect(await readStateFile(path)).toBeUndefined();
    const refused = { code: 'bad-state' };
    for (const text of [
      '',
      '{',
      '[]',
      '{"version":2,"homes":[]}',
      '{"version":1,"home":[]}',
      '{"version":1,"homes":[{"id":"a","states":[]}]}',
    ]) {
      await writeFile(path, text);
      await expect(readStateFile(path)).rejects.toMatchObject(refused);
    }
    const { street, clock } = await openStreet();
    clock.stand(NOON_MS);
    street.advance();
    await writeStateFile(path, street.saved);
    const good = await readFile(path, 'utf8');
    for (const [from, to] of [
      ['"t_ms":17', '"t_ms":-17'],
      ['"import":[', '"import":[1.5,'],
      ['"rest', '"rst'],
      ['0000,"stored', '0001,"stored'],
    ]) {
      await writeFile(path, good.replace(from!, to!));
      if (good.includes(from!)) await expect(readStateFile(path)).rejects.toMatchObject(refused);
    }
  });
});
