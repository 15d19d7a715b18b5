/** A day of measured registers through a broker of other makers, and what a listener can make of it alone. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mosquitto, startMosquitto } from '../../ledger-service/test/support/mosquitto.js';
import { countersOf, readFrame, sharedKwh } from './support/frame-reader.js';
import { MosquittoRecorder, noRecorder } from './support/mosquitto-recorder.js';
import { type JsonLine, run } from './support/program.js';
import { INTERVAL_S, type RecordedDay, writeDay } from './support/recorded-day.js';
import { drawSeed, seededRandom } from './support/seed.js';
import { TempFolder } from './support/temp-folder.js';

const DAY_WITHIN_MS = 60_000;
const seed = drawSeed();
const title = `a day of four houses through mosquitto (seed ${seed})${noRecorder === '' ? '' : `: ${noRecorder}`}`;

describe.skipIf(noRecorder !== '')(title, () => {
  const folder = new TempFolder('mosquitto-day');
  let mosquitto: Mosquitto;
  let recorder: MosquittoRecorder;
  let day: RecordedDay;
  let report: Report;

  beforeAll(async () => {
    mosquitto = await startMosquitto();
    recorder = await MosquittoRecorder.start(mosquitto.url);
    day = writeDay(folder.at('day.csv'), seededRandom(seed));
    const args = ['replay', folder.at('day.csv'), '--interval', '15m', '--mqtt', mosquitto.url, '--json'];
    report = (await run('commonwatt', [...args, '--intervals', folder.at('intervals.csv')])) as unknown as Report;
    await recorder.stop();
  }, DAY_WITHIN_MS);

  afterAll(async () => {
    await recorder?.kill();
    await mosquitto?.stop();
    folder.remove();
  });

  it('is recorded frame by frame: as many as the ledger says were published', () => {
    expect(day.homes).toBe(4);
    expect(recorder.frames.length).toBeGreaterThan(200);
    expect(report.mqtt.publishes).toBe(recorder.frames.length);
    expect(report.frames).toMatchObject({ refused: 0 });
    expect(report.sums).toEqual({ credits: '0.000000', energy_kwh: '0.000000' });
  });

  it('gives the same shared energy when it is recomputed from the recorded frames alone', () => {
    const homes = countersOf(recorder.frames.map(({ payload }) => payload));
    expect(homes.size).toBe(day.homes);
    expect(report.shared_kwh).not.toBe('0.000000');
    expect(sharedKwh(homes, { fromS: day.fromS, toS: day.toS, intervalS: INTERVAL_S })).toBe(report.shared_kwh);
    expect(report.homes.reduce((sum, { received_kwh: kwh }) => sum + micro(kwh), 0)).toBe(micro(report.shared_kwh));
  });

  it('carries every reading of the file in a frame, to the last decimal', () => {
    const frames = recorder.frames.map(({ topic, payload }) => ({ home: topic.split('/')[3]!, ...readFrame(payload) }));
    const carried = new Set<string>();
    for (const { home, channels } of frames) {
      for (const { quantity, values } of channels) {
        for (const [timeS, value] of values) carried.add(`${timeS} ${home} ${quantity} ${value}`);
      }
    }
    const rows = readFileSync(folder.at('day.csv'), 'utf8').trim().split('\n').slice(1);
    const missing = rows.filter((row) => {
      const [time = '', home, register, value = ''] = row.split(',');
      const quantity = { import: 1, export: 2, pv: 3 }[register as 'import' | 'export' | 'pv'];
      return !carried.has(`${Date.parse(time) / 1_000} ${home} ${quantity} ${micro(value)}`);
    });
    expect(missing).toEqual([]);
    expect(carried.size).toBe(rows.length);
  });

  it('holds unbroken chains: number by number, each naming the bytes of the one before', () => {
    const chains = new Map<string, { number: number; hash: string }>();
    for (const { payload } of recorder.frames) {
      const { kid, number, previous } = readFrame(payload);
      const hash = createHash('sha256').update(payload).digest('hex');
      const last = chains.get(kid);
      // The same bytes again are no new link.
      if (last?.hash === hash) continue;
      expect(number).toBe((last?.number ?? 0) + 1);
      if (last !== undefined) expect(previous).toBe(last.hash);
      chains.set(kid, { number, hash });
    }
    expect(chains.size).toBe(day.homes);
  });
});

interface Report extends JsonLine {
  readonly shared_kwh: string;
  readonly homes: readonly { readonly received_kwh: string }[];
  readonly mqtt: { readonly publishes: number };
  readonly frames: { readonly accepted: number; readonly duplicate: number; readonly refused: number };
  readonly sums: { readonly credits: string; readonly energy_kwh: string };
}

/** Decimal kWh as whole mWh; exact below 2^53. */
function micro(kwh: string): number {
  const [whole = '0', part = ''] = kwh.split('.');
  return Number(whole) * 1_000_000 + Number(part.padEnd(6, '0'));
}
