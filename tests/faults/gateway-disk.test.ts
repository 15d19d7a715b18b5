/** A box whose disk is full, read-only or fails while it reads meters: what it signed stays, and it goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program } from '../e2e/support/program.js';
import { drawSeed } from '../e2e/support/seed.js';
import { until } from '../e2e/support/until.js';
import { FaultStreet } from './support/fault-street.js';
import { noSmallDisk, SmallDisk } from './support/small-disk.js';
import { noSyscallFaults, STORAGE_FAULTS, SyscallFault } from './support/syscall-fault.js';

const STORY_WITHIN_MS = 90_000;
const NOTICED_WITHIN_MS = 10_000;
const seed = drawSeed();
const reason = noSmallDisk === '' ? '' : `: ${noSmallDisk}`;

describe.skipIf(noSmallDisk !== '')(`a box on a small disk (seed ${seed})${reason}`, () => {
  let disk: SmallDisk;
  let street: FaultStreet;

  beforeAll(async () => {
    disk = SmallDisk.mount(8);
    street = await FaultStreet.build({ seed, homes: ['linden-1'], boxDisk: disk });
    await street.go();
    await street.answered(2);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await street?.stop();
    disk?.remove();
  });

  it('that is full says so and stays up, and goes on by itself when there is room', async () => {
    disk.fill();
    await broken();
    disk.free();
    await mended();
  });

  for (const fault of Object.keys(STORAGE_FAULTS) as (keyof typeof STORAGE_FAULTS)[]) {
    const needs = noSyscallFaults === '' ? '' : `: ${noSyscallFaults}`;
    it.skipIf(noSyscallFaults !== '')(`that meets ${fault} storage likewise${needs}`, async () => {
      const trouble = await SyscallFault.storage(street.boxes[0]?.pid ?? 0, fault);
      await broken();
      await trouble.heal();
      await mended();
    });
  }

  it('that is full, then read-only, at the start refuses with a sentence, and goes on with the same outbox', async () => {
    await street.boxes[0]?.kill();
    disk.fill();
    expect(await refusal()).toMatch(/outbox-full.*cannot be written.*free or replace the disk/);
    disk.free();
    disk.makeReadOnly();
    expect(await refusal()).toMatch(/outbox-full.*cannot be written.*make it writable/);
    disk.makeWritable();
    await street.boxes[0]?.restart();
    await mended();
  });

  it('has lost nothing that it signed, and no energy', { timeout: 60_000 }, async () => {
    await street.rest();
    const lost = Number((await street.stats())[0]?.lost_readings);
    expect(lost).toBeGreaterThan(0);
    // What was read while nothing could be written costs resolution; the counters go on.
    await street.expectWhole({ lostReadings: lost });
  });

  async function broken(): Promise<void> {
    await until('the box to say that its outbox is broken', NOTICED_WITHIN_MS, async () => {
      const [stats] = await street.stats();
      return stats?.condition === 'outbox-broken';
    });
    expect(street.boxes[0]?.isAlive).toBe(true);
  }

  async function mended(): Promise<void> {
    await until(
      'the box to be ready again',
      NOTICED_WITHIN_MS,
      async () => (await street.stats())[0]?.condition === 'ready',
    );
    await street.answered(1);
  }

  async function refusal(): Promise<string> {
    const { file, data } = street.boxes[0]!;
    const program = new Program('commonwatt-gateway', ['--lines']);
    try {
      await program.ask('start', { config: file, data });
      return 'started';
    } catch (error) {
      return String(error);
    } finally {
      await program.stop();
    }
  }
});
