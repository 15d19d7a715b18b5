/** What may become of a box's files when its process dies: torn, cut, gone, or opened by a second process. */
import { appendFileSync, existsSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program } from '../e2e/support/program.js';
import { drawSeed, seededBytes, seededRandom } from '../e2e/support/seed.js';
import { until } from '../e2e/support/until.js';
import { FaultStreet } from './support/fault-street.js';

const STORY_WITHIN_MS = 90_000;
const WAL_HEADER_BYTES = 32;
const WAL_FRAME_BYTES = 24 + 4096;
const seed = drawSeed();
const random = seededRandom(seed);

describe(`a box that was killed, and whose outbox then (seed ${seed})`, () => {
  let street: FaultStreet;

  beforeAll(async () => {
    street = await FaultStreet.build({ seed, homes: ['linden-1'], speed: 900 });
    await street.go();
    await street.answered(3);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await street?.stop();
  });

  it('is opened by a second process: that one is refused with a sentence, and nothing happens to the first', async () => {
    const second = new Program('commonwatt-gateway', ['--lines']);
    const { file, data } = street.boxes[0]!;
    const refused = second.ask('start', { config: file, data });
    await expect(refused).rejects.toThrow(
      /outbox-in-use.*another gateway process has .*outbox\.db open: stop it first/,
    );
    await second.stop();
    await street.answered(1);
  });

  it('has a torn write-ahead file: what was committed is there, and the chain goes on', async () => {
    await killed(() => appendFileSync(wal(), seededBytes(WAL_FRAME_BYTES + 700, random)));
    expect(await epochOf()).toBe(1);
    await killed(() => truncateSync(wal(), statSync(wal()).size - 100), { isWhole: false });
    await street.answered(2);
  });

  it('has lost half of its write-ahead file: it asks for a new epoch and signs no number twice', async () => {
    const before = await epochOf();
    await killed(() => {
      const frames = Math.floor((statSync(wal()).size - WAL_HEADER_BYTES) / WAL_FRAME_BYTES);
      truncateSync(wal(), WAL_HEADER_BYTES + Math.ceil(frames / 2) * WAL_FRAME_BYTES);
    });
    expect(await epochOf()).toBe(before + 1);
  });

  it('has lost its write-ahead file: likewise', async () => {
    const before = await epochOf();
    await killed(() => rmSync(wal()));
    expect(await epochOf()).toBe(before + 1);
  });

  it('is gone, but for the mark that there was one: likewise', async () => {
    const before = await epochOf();
    await killed(() => {
      for (const name of readdirSync(folder())) if (name.startsWith('outbox.db')) rmSync(join(folder(), name));
      expect(existsSync(join(folder(), 'outbox.made'))).toBe(true);
    });
    expect(await epochOf()).toBe(before + 1);
  });

  it('has neither doubled a number nor lost energy in the end', { timeout: 60_000 }, async () => {
    await street.rest();
    await street.expectSound();
  });

  function folder(): string {
    return street.boxes[0]!.data;
  }

  function wal(): string {
    return join(folder(), 'outbox.db-wal');
  }

  async function epochOf(): Promise<number> {
    return Number((await street.stats())[0]?.epoch);
  }

  /** kill -9 when nothing waits for an answer, then the mishap, then a new process that gets ready and goes on. */
  async function killed(mishap: () => void, { isWhole = true } = {}): Promise<void> {
    const [box] = street.boxes;
    await until('a moment without a frame that waits', 10_000, async () => (await street.stats())[0]?.pending === 0);
    await box?.kill();
    mishap();
    await box?.restart();
    await until('the box to be ready', 20_000, async () => (await street.stats())[0]?.condition === 'ready');
    if (isWhole) await street.answered(1);
    // Refusals lead to a pause and another question, not to the same one again.
    expect(Number((await street.stats())[0]?.refused)).toBeLessThanOrEqual(3);
  }
});
