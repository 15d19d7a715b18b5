/**
 * Settled and stored member-intervals a second: 300 homes over 90 days of quarter-hours, whose readings came in as signed
 * frames before. `settleDue` of the real use case over the real SQLite store, beside bare inserts of as many rows.
 */
import { StepClock } from '@commonwatt/ledger-service/dist/adapters/system/clock.js';
import { parseTotalsContent } from '@commonwatt/ledger-service/dist/core/records/index.js';
import { openingKey } from '@commonwatt/ledger-service/dist/core/rows.js';
import type { CommunityLedger } from '@commonwatt/ledger-service/dist/usecases/community-ledger.js';
import type { LedgerStore } from '@commonwatt/ledger-service/dist/usecases/ports.js';
import { type BareInserts, measureBareInserts } from '../support/bare-inserts.js';
import { COMMUNITY, foundCommunity, withLedger } from '../support/bench-community.js';
import { fileBytes } from '../support/file-bytes.js';
import type { SealingBox } from '../support/sealing-box.js';
import { cpuSeconds, secondsOfAsync } from '../support/stop-watch.js';
import { StreetMeter } from '../support/street-meters.js';

const INTERVAL_S = 900;
const DAY_S = 86_400;
const INTERVALS_A_DAY = DAY_S / INTERVAL_S;
/** Most instants that a frame holds: three days of quarter-hours. */
const INSTANTS_A_FRAME = 288;
const QUANTITIES = [1, 2] as const;
/** 2024-06-01T00:00:00Z */
const START_S = 1_717_200_000;
const FRAMES_A_COMMIT = 50;

export interface SettlementRun {
  readonly homes: number;
  readonly days: number;
  readonly intervals: number;
  readonly memberIntervals: number;
  readonly loadSeconds: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly memberIntervalsPerS: number;
  readonly intervalsWithSharing: number;
  readonly shareWithSharing: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly bareBefore: BareInserts;
  readonly bareAfter: BareInserts;
}

export async function runSettlement(
  path: string,
  { homes, days }: { homes: number; days: number },
): Promise<SettlementRun> {
  const intervals = days * INTERVALS_A_DAY;
  const clock = new StepClock((START_S - DAY_S) * 1_000);
  const shape = { homes, quantities: QUANTITIES, intervalS: INTERVAL_S, firstIntervalS: START_S } as const;
  const { folder, boxes } = await foundCommunity(path, shape, clock);
  // Of one edge more than there are intervals.
  clock.set((START_S + days * DAY_S + 60) * 1_000);
  return withLedger(folder, clock, async ({ store }, community) => {
    const loadSeconds = await secondsOfAsync(() => load(community, boxes, intervals + 1));
    const bytesBefore = fileBytes(folder.ledgerFile);
    const bareBefore = measureBareInserts(path, homes, intervals);
    const cpuBefore = cpuSeconds();
    let versions = 0;
    const seconds = await secondsOfAsync(async () => {
      ({ versions } = await community.settleDue());
    });
    const usedCpuSeconds = cpuSeconds() - cpuBefore;
    const bareAfter = measureBareInserts(path, homes, intervals);
    if (versions !== intervals) throw new Error(`settlement: expected ${intervals} versions, got ${versions}`);
    const intervalsWithSharing = await countSharing(store);
    const memberIntervals = homes * intervals;
    return {
      homes,
      days,
      intervals,
      memberIntervals,
      loadSeconds,
      seconds,
      cpuSeconds: usedCpuSeconds,
      memberIntervalsPerS: memberIntervals / seconds,
      intervalsWithSharing,
      shareWithSharing: intervalsWithSharing / intervals,
      bytesBefore,
      bytesAfter: fileBytes(folder.ledgerFile),
      bareBefore,
      bareAfter,
    };
  });
}

/** Every box sends its readings in frames; nothing is settled yet. */
async function load(community: CommunityLedger, boxes: readonly SealingBox[], edges: number): Promise<void> {
  const meters = boxes.map((_, home) => new StreetMeter(home));
  for (let first = 0; first < edges; first += INSTANTS_A_FRAME) {
    const instants = Math.min(INSTANTS_A_FRAME, edges - first);
    const span = { startS: START_S + first * INTERVAL_S, stepS: INTERVAL_S, instants, quantities: QUANTITIES };
    const frames = boxes.map((box, home) => ({ gateway: box.home, message: box.next(meters[home]!.frame(span)) }));
    for (let from = 0; from < frames.length; from += FRAMES_A_COMMIT) {
      const batch = frames.slice(from, from + FRAMES_A_COMMIT);
      const { accepted } = await community.ingestFrames(batch);
      if (accepted !== batch.length) throw new Error(`settlement: ${accepted} of ${batch.length} frames accepted`);
    }
  }
}

/** Intervals in which energy changed hands, read back from the totals in the store. */
async function countSharing(store: LedgerStore): Promise<number> {
  let count = 0;
  for (let from = ''; ; ) {
    const rows = await store.scan(COMMUNITY, 'settlement', { from, limit: 1_000 });
    const addresses = rows.map(({ value }) => {
      const { index } = JSON.parse(String(value)) as { index: number };
      return { table: 'opening' as const, key: openingKey(index, 1) };
    });
    for (const opening of await store.read(COMMUNITY, addresses)) {
      if (!(opening instanceof Uint8Array)) throw new Error('settlement: a version without totals');
      if (parseTotalsContent(opening.subarray(16)).totals.sharedMwh > 0) count += 1;
    }
    const last = rows.at(-1);
    if (last === undefined) return count;
    from = `${last.key}\0`;
  }
}
