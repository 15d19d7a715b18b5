/** Each write-out of the ledger to its medium takes ten seconds: answers come late, nothing is lost, nobody is let go. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoOp, type ServedLedger } from '../e2e/support/co-op.js';
import { drawSeed, seededRandom } from '../e2e/support/seed.js';
import { TempFolder } from '../e2e/support/temp-folder.js';
import { WireClient } from '../e2e/support/wire-client.js';
import { healthOf } from './support/probe.js';
import { START_S, SteadyFlow } from './support/steady-flow.js';
import { noSyscallFaults, SyscallFault } from './support/syscall-fault.js';

const DELAY_MS = 10_000;
const STORY_WITHIN_MS = 120_000;
const seed = drawSeed();
const reason = noSyscallFaults === '' ? '' : `: ${noSyscallFaults}`;

describe.skipIf(noSyscallFaults !== '')(`a ledger on a slow disk (seed ${seed})${reason}`, () => {
  const folder = new TempFolder('slow-ledger');
  let coOp: CoOp;
  let ledger: ServedLedger;
  let flow: SteadyFlow;
  let wire: WireClient;

  beforeAll(async () => {
    coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: START_S });
    flow = await SteadyFlow.enrol(coOp, 'home-1', seededRandom(seed));
    ledger = await coOp.serve();
    wire = await WireClient.connect(ledger.mqttUrl, coOp);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await wire?.close();
    await ledger?.program.stop();
    folder.remove();
  });

  it('answers late, says in /health that it is slow, and loses neither frames nor clients', {
    timeout: STORY_WITHIN_MS,
  }, async () => {
    const slow = await SyscallFault.slowDisk(ledger.program.pid ?? 0, DELAY_MS);
    const fresh = flow.next(5);
    const beganMs = performance.now();
    const publishing = wire.publish(fresh);
    // Who comes in the middle of it gets in as well.
    const late = WireClient.connect(ledger.mqttUrl, coOp);
    await publishing;
    await wire.receipts(fresh, 4 * DELAY_MS);
    expect(performance.now() - beganMs).toBeGreaterThan(DELAY_MS * 0.9);
    const { status, reasons } = await healthOf(ledger);
    expect({ status, reasons: reasons.join() }).toMatchObject({
      status: 503,
      reasons: expect.stringMatching(/slow: a commit/),
    });
    await slow.heal();
    await (await late).close();
    const more = flow.next(5);
    await wire.publish(more);
    await wire.receipts(more, 2 * DELAY_MS);
    expect(await ledger.entryCounts()).toMatchObject({ frame: 10 });
  });
});
