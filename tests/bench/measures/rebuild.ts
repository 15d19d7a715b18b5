/**
 * Entries a second of `rebuild`: every projection dropped, the log folded anew, every table compared. The log holds frames
 * of twelve readings of three counters and the settlements that followed.
 */
import { RealClock, StepClock } from '@commonwatt/ledger-service/dist/adapters/system/clock.js';
import { rebuild } from '@commonwatt/ledger-service/dist/usecases/rebuild.js';
import { COMMUNITY, foundCommunity, withLedger } from '../support/bench-community.js';
import { cpuSeconds } from '../support/stop-watch.js';
import { StreetMeter } from '../support/street-meters.js';

const STEP_S = 300;
const INSTANTS = 12;
const FRAME_S = STEP_S * INSTANTS;
const QUANTITIES = [1, 2, 3] as const;
/** 2024-06-01T00:00:00Z */
const START_S = 1_717_200_000;

export interface RebuildRun {
  readonly homes: number;
  readonly frames: number;
  readonly settlements: number;
  readonly entries: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly entriesPerS: number;
  readonly entriesPerCpuS: number;
}

/** Throws when a table is not what it was. */
export async function runRebuild(path: string, plan: { homes: number; framesAHome: number }): Promise<RebuildRun> {
  const { homes, framesAHome } = plan;
  const clock = new StepClock((START_S - FRAME_S) * 1_000);
  const shape = { homes, quantities: QUANTITIES, intervalS: STEP_S, firstIntervalS: START_S } as const;
  const { folder, boxes } = await foundCommunity(path, shape, clock);
  const meters = boxes.map((_, home) => new StreetMeter(home));
  const settlements = await withLedger(folder, clock, async (_, community) => {
    let versions = 0;
    for (let n = 0; n < framesAHome; n++) {
      const startS = START_S + n * FRAME_S;
      clock.set((startS + FRAME_S) * 1_000);
      const span = { startS, stepS: STEP_S, instants: INSTANTS, quantities: QUANTITIES };
      const frames = boxes.map((box, home) => ({ gateway: box.home, message: box.next(meters[home]!.frame(span)) }));
      const { accepted } = await community.ingestFrames(frames);
      if (accepted !== frames.length) throw new Error(`rebuild: ${accepted} of ${frames.length} frames accepted`);
      versions += (await community.settleDue()).versions;
    }
    return versions;
  });
  return withLedger(folder, new RealClock(), async ({ store, crypto }) => {
    const cpuBefore = cpuSeconds();
    const startMs = performance.now();
    const { entries, equal } = await rebuild({ store, community: COMMUNITY, crypto });
    const seconds = (performance.now() - startMs) / 1_000;
    const usedCpuSeconds = cpuSeconds() - cpuBefore;
    if (!equal) throw new Error('rebuild: a table is not what it was');
    return {
      homes,
      frames: homes * framesAHome,
      settlements,
      entries,
      seconds,
      cpuSeconds: usedCpuSeconds,
      entriesPerS: entries / seconds,
      entriesPerCpuS: entries / usedCpuSeconds,
    };
  });
}
