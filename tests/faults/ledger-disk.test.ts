/** The ledger's disk is full, read-only or fails while frames flow: what was acknowledged stays, the rest waits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoOp, type ServedLedger } from '../e2e/support/co-op.js';
import { drawSeed, seededRandom } from '../e2e/support/seed.js';
import { until } from '../e2e/support/until.js';
import { WireClient } from '../e2e/support/wire-client.js';
import { healthOf, refusedToServe } from './support/probe.js';
import { noSmallDisk, SmallDisk } from './support/small-disk.js';
import { START_S, SteadyFlow } from './support/steady-flow.js';
import { noSyscallFaults, STORAGE_FAULTS, SyscallFault } from './support/syscall-fault.js';

const STORY_WITHIN_MS = 60_000;
const NOTICED_WITHIN_MS = 10_000;
const seed = drawSeed();
const reason = noSmallDisk === '' ? '' : `: ${noSmallDisk}`;

describe.skipIf(noSmallDisk !== '')(`a ledger on a small disk (seed ${seed})${reason}`, () => {
  let disk: SmallDisk;
  let coOp: CoOp;
  let ledger: ServedLedger;
  let flow: SteadyFlow;
  let wire: WireClient;

  beforeAll(async () => {
    disk = SmallDisk.mount(32);
    coOp = await CoOp.begin(disk.at('ledger'), { firstIntervalS: START_S });
    flow = await SteadyFlow.enrol(coOp, 'home-1', seededRandom(seed));
    await serve();
    await sendAndProve(20);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await wire?.close();
    await ledger?.program.stop();
    disk?.remove();
  });

  it('that is full acknowledges nothing more, says so, and goes on by itself when there is room', async () => {
    disk.fill();
    await withoutAcknowledgement(() => disk.free());
  });

  for (const fault of Object.keys(STORAGE_FAULTS) as (keyof typeof STORAGE_FAULTS)[]) {
    const needs = noSyscallFaults === '' ? '' : `: ${noSyscallFaults}`;
    it.skipIf(noSyscallFaults !== '')(`that meets ${fault} storage likewise${needs}`, async () => {
      const broken = await SyscallFault.storage(ledger.program.pid ?? 0, fault);
      await withoutAcknowledgement(() => broken.heal());
    });
  }

  it('that is full at the start ends with a sentence, and serves the same log when there is room', async () => {
    await stop();
    disk.fill();
    const { code, said } = await refusedToServe(coOp);
    disk.free();
    expect(code).toBe(1);
    expect(said).toMatch(/commonwatt: (store|bad-file): .*(full: make room|has room|ENOSPC.*make room)/);
    await serve();
    await everythingIsThere();
  });

  it('that is read-only at the start ends with a sentence, and serves the same log when it is not', async () => {
    await stop();
    disk.makeReadOnly();
    const { code, said } = await refusedToServe(coOp);
    disk.makeWritable();
    expect(code).toBe(1);
    expect(said).toMatch(/commonwatt: (store|bad-file): .*(read-only|EROFS)/);
    await serve();
    await everythingIsThere();
  });

  it('has every frame once in the end, and folds to the same anew', async () => {
    await sendAndProve(5);
    await everythingIsThere();
    expect(await ledger.entryCounts()).toMatchObject({ frame: flow.frames.length });
    await stop();
    expect(await coOp.rebuild()).toMatchObject({ equal: true });
    await serve();
  });

  async function serve(): Promise<void> {
    ledger = await coOp.serve();
    wire = await WireClient.connect(ledger.mqttUrl, coOp);
  }

  async function stop(): Promise<void> {
    await wire.close();
    expect(await ledger.program.stop()).toBe(0);
  }

  async function sendAndProve(count: number): Promise<void> {
    const fresh = flow.next(count);
    await wire.publish(fresh);
    await wire.receipts(fresh, 10_000);
  }

  /** Frames come while the store takes nothing: no answer, no acknowledgement, 503; then `heal`, and all is as ever. */
  async function withoutAcknowledgement(heal: () => void | Promise<void>): Promise<void> {
    const indices = new Map(flow.frames.map(({ hash }) => [hash, wire.answers.get(hash)?.at(-1)?.index]));
    const fresh = flow.next(10);
    let isAcknowledged = false;
    const publishing = wire.publish(fresh).then(() => {
      isAcknowledged = true;
    });
    const sick = await until('503 from /health', NOTICED_WITHIN_MS, async () => {
      const health = await healthOf(ledger);
      return health.status === 503 ? health : undefined;
    });
    expect(sick.reasons.join()).toMatch(/the store takes nothing/);
    expect(isAcknowledged).toBe(false);
    expect(fresh.filter(({ hash }) => wire.answers.has(hash))).toEqual([]);
    await heal();
    await publishing;
    await wire.receipts(fresh, 10_000);
    await until('200 from /health', NOTICED_WITHIN_MS, async () => (await healthOf(ledger)).status === 200);
    // The same bytes again: each receipt from before still names the place that it named.
    const before = flow.frames.filter(({ hash }) => indices.get(hash) !== undefined);
    for (const { hash } of before) wire.answers.delete(hash);
    await wire.publish(before);
    await wire.receipts(before, 10_000);
    for (const { hash } of before) expect(wire.answers.get(hash)?.at(-1)?.index).toBe(indices.get(hash));
    expect(ledger.program.isAlive).toBe(true);
  }

  async function everythingIsThere(): Promise<void> {
    for (const { hash } of flow.frames) wire.answers.delete(hash);
    await wire.publish(flow.frames);
    await wire.receipts(flow.frames, 10_000);
  }
});
