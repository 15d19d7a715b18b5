/** Small files of a ledger on a full disk: whole or not at all, and a street that runs goes on running. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataFolder } from '../../ledger-service/src/cli/data-folder.js';
import { KeptClock } from '../../ledger-service/src/cli/demo/clock-file.js';
import { TempFolder } from '../e2e/support/temp-folder.js';
import { until } from '../e2e/support/until.js';
import { noSmallDisk, SmallDisk } from './support/small-disk.js';

const reason = noSmallDisk === '' ? '' : `: ${noSmallDisk}`;

describe.skipIf(noSmallDisk !== '')(`on a full disk${reason}`, () => {
  let disk: SmallDisk;

  beforeEach(() => {
    disk = SmallDisk.mount(1);
  });

  afterEach(() => disk.remove());

  it('no token and no name is left half made: there is none, and one when there is room', () => {
    const folder = new DataFolder(disk.path);
    disk.fill();
    const full = { code: 'bad-file', message: expect.stringMatching(/ENOSPC.*make room/) };
    expect(() => folder.token()).toThrow(expect.objectContaining(full));
    expect(() => folder.mqttClientId()).toThrow(expect.objectContaining(full));
    expect(existsSync(disk.at('operator.token'))).toBe(false);
    disk.free();
    expect(folder.token()).toMatch(/^[\w-]{43}$/);
    expect(folder.mqttClientId()).toMatch(/^commonwatt-[0-9a-f]{12}$/);
    expect(readdirSync(disk.path).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('the clock of a street tells it once, runs on, and is kept again when there is room', async () => {
    const file = disk.at('clock.json');
    const clock = new KeptClock(file, { firstMs: 1_000_000, speed: 1_000 });
    const told: string[] = [];
    clock.start((error) => told.push(String(error)));
    const keptMs = () => new KeptClock(file, { firstMs: 0, speed: 1 }).clock.time.baseMs;
    try {
      disk.fill();
      await until('the trouble to be told', 5_000, () => told.length > 0);
      const before = keptMs();
      disk.free();
      await until('the clock to be kept again', 5_000, () => keptMs() > before);
      expect(told).toEqual([expect.stringMatching(/clock\.json cannot be written \(ENOSPC\)/)]);
    } finally {
      clock.stop();
    }
  });
});

describe('an empty file', () => {
  it.each(['operator.token', 'mqtt.id'])('is no %s: it is refused with what to do', (name) => {
    const folder = new TempFolder('empty-files');
    try {
      mkdirSync(folder.path, { recursive: true });
      writeFileSync(folder.at(name), '');
      const data = new DataFolder(folder.path);
      expect(() => (name === 'mqtt.id' ? data.mqttClientId() : data.token())).toThrow(/is empty: remove it/);
    } finally {
      folder.remove();
    }
  });
});
