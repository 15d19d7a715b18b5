/** Each write-out of a box to its medium takes long: it reads more seldom, and is not given up for dead. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawSeed } from '../e2e/support/seed.js';
import { until } from '../e2e/support/until.js';
import { FaultStreet } from './support/fault-street.js';
import { isLongRun } from './support/long-run.js';
import { noSyscallFaults, SyscallFault } from './support/syscall-fault.js';

const DELAY_MS = isLongRun ? 10_000 : 4_000;
const STORY_WITHIN_MS = 120_000;
const seed = drawSeed();
const reason = noSyscallFaults === '' ? '' : `: ${noSyscallFaults}`;

describe.skipIf(noSyscallFaults !== '')(`a box on a slow disk (seed ${seed})${reason}`, () => {
  let street: FaultStreet;

  beforeAll(async () => {
    street = await FaultStreet.build({ seed, homes: ['linden-1'], speed: 120 });
    await street.go();
    await street.answered(2);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await street?.stop();
  });

  it('reads more seldom, keeps its connections, and loses nothing', { timeout: STORY_WITHIN_MS }, async () => {
    const [box] = street.boxes;
    const slow = await SyscallFault.slowDisk(box?.pid ?? 0, DELAY_MS);
    const { connections } = street.broker.counts;
    const before = Number((await street.stats())[0]?.frames_sealed);
    await until('frames sealed on the slow disk', 10 * DELAY_MS, async () => {
      const [stats] = await street.stats();
      return Number(stats?.frames_sealed) > before;
    });
    await slow.heal();
    await street.answered(1);
    expect(box?.isAlive).toBe(true);
    expect(street.broker.counts.connections).toBe(connections);
    await street.rest();
    await street.expectWhole();
  });
});
