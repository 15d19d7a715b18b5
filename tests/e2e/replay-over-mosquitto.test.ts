/** A day through a broker outside, heard by a stranger: from the recorded frames alone the same energy comes out. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import {
  channelValues,
  fromHex,
  parseFramePayload,
  parseSealed,
  Quantity,
  sampleTimesS,
} from '@commonwatt/firmware-protocol';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mosquitto, noMosquitto, startMosquitto } from '../../ledger-service/test/support/mosquitto.js';
import { run } from './support/program.js';
import { TempFolder } from './support/temp-folder.js';
import { until } from './support/until.js';

const SUBSCRIBER = ['mosquitto_sub', '/usr/bin/mosquitto_sub'].find((path) => existsSync(path)) ?? 'mosquitto_sub';
const PROBE = 'cw/1/probe/probe/frame';
const STEPS = 96;
const STEP_S = 900;
const START_S = Date.UTC(2024, 4, 1) / 1_000;

/** A day of three homes, in whole mWh, from a small generator without chance. */
function day(): string {
  const lines = ['utc_timestamp,household,register,value,unit'];
  const homes = ['oak', 'elm', 'ash'];
  const counters = new Map<string, number>();
  for (let step = 0; step <= STEPS; step += 1) {
    const time = new Date((START_S + step * STEP_S) * 1_000).toISOString().replace('.000Z', 'Z');
    for (const [h, home] of homes.entries()) {
      for (const register of ['import', 'export']) {
        const name = `${home},${register}`;
        const value = counters.get(name) ?? h * 1_000_000;
        lines.push(`${time},${name},${(value / 1_000_000).toFixed(6)},kWh`);
        const sun = Math.max(0, Math.sin(((step - 24) / 48) * Math.PI));
        const rise =
          register === 'import' ? 40_000 + ((step * 7_919 + h * 104_729) % 90_000) : Math.round(sun * 160_000 * h);
        counters.set(name, value + rise);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

describe.skipIf(noMosquitto !== '')(`a replay over mosquitto${noMosquitto && `: ${noMosquitto}`}`, () => {
  const folder = new TempFolder('over-mosquitto');
  let broker: Mosquitto;

  beforeAll(async () => {
    broker = await startMosquitto();
  });

  afterAll(async () => {
    await broker?.stop();
    folder.remove();
  });

  it('publishes every frame where anyone can hear it, and the frames say what was shared', async () => {
    const file = folder.at('day.csv');
    writeFileSync(file, day());
    const recorder = spawn(SUBSCRIBER, [
      '-p',
      new URL(broker.url).port,
      '-q',
      '1',
      '-F',
      '%t %x',
      '-t',
      'cw/1/+/+/frame',
      '-d',
    ]);
    let said = '';
    recorder.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await untilHeard(broker.url, () => said.includes(PROBE));
    const outside = await run('commonwatt', ['replay', file, '--interval', '15m', '--mqtt', broker.url, '--json']);
    const frames = () => said.split('\n').filter((line) => /^cw\/1\/replay-.*\/frame [0-9a-f]+$/.test(line));
    await until(
      'all frames are recorded',
      10_000,
      () => frames().length >= Number((outside.mqtt as { publishes: number }).publishes),
    );
    recorder.kill();
    const heard = frames();
    expect(heard).toHaveLength((outside.frames as { accepted: number }).accepted);
    expect(sharedOf(heard)).toBe(outside.shared_kwh);
    const inside = await run('commonwatt', ['replay', file, '--interval', '15m', '--json']);
    expect(inside.balances_root).toBe(outside.balances_root);
  }, 120_000);
});

/** A subscriber is there when it hears what is published; before, nobody can tell. */
async function untilHeard(url: string, isHeard: () => boolean): Promise<void> {
  const client = await mqtt.connectAsync(url);
  await until('mosquitto_sub is subscribed', 10_000, async () => {
    await client.publishAsync(PROBE, Buffer.of(0), { qos: 1 });
    return isHeard();
  });
  await client.endAsync();
}

/** Shared energy in kWh, from nothing but recorded messages. */
function sharedOf(lines: readonly string[]): string {
  const values = new Map<string, bigint>();
  const homes = new Set<string>();
  for (const line of lines) {
    const [topic = '', hex = ''] = line.split(' ');
    const home = topic.split('/')[3] ?? '';
    homes.add(home);
    const frame = parseFramePayload(parseSealed(fromHex(hex)).payload);
    const times = sampleTimesS(frame);
    for (const channel of frame.channels) {
      for (const [i, value] of channelValues(channel).entries())
        values.set(`${home} ${channel.quantity} ${times[i]}`, value);
    }
  }
  let sharedMwh = 0n;
  for (let step = 0; step < STEPS; step += 1) {
    const at = START_S + step * STEP_S;
    const rise = (home: string, quantity: number) =>
      (values.get(`${home} ${quantity} ${at + STEP_S}`) ?? 0n) - (values.get(`${home} ${quantity} ${at}`) ?? 0n);
    let need = 0n;
    let offer = 0n;
    for (const home of homes) {
      const net = rise(home, Quantity.gridExport) - rise(home, Quantity.gridImport);
      if (net > 0n) offer += net;
      else need -= net;
    }
    sharedMwh += need < offer ? need : offer;
  }
  return `${sharedMwh / 1_000_000n}.${(sharedMwh % 1_000_000n).toString().padStart(6, '0')}`;
}
