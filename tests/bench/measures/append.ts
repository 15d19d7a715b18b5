/**
 * What a leaf costs at ten thousand and at a million leaves: commits of 256 through the real decision, session and SQLite
 * store, in blocks that take turns, so that a neighbour on the machine hits both alike.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { StepClock } from '@commonwatt/ledger-service/dist/adapters/system/clock.js';
import { DataFolder } from '@commonwatt/ledger-service/dist/cli/data-folder.js';
import { openLedger } from '@commonwatt/ledger-service/dist/cli/open-ledger.js';
import { foundCommunity } from '../support/bench-community.js';
import { LEAVES_A_COMMIT, LongLog } from '../support/long-log.js';
import { mean, median } from '../support/statistics.js';
import { cpuSeconds } from '../support/stop-watch.js';

const SMALL = 10_000;
const ROUNDS = 8;
const COMMITS_A_ROUND = 12;
const START_S = 1_717_200_000;
const HOMES = 500;

export interface AppendCost {
  readonly leaves: number;
  readonly commits: number;
  /** The middle commit's wall time, by its leaves, microseconds. */
  readonly medianUsALeaf: number;
  /** All commits: the write-ahead file's folding into the database included. */
  readonly meanUsALeaf: number;
  readonly cpuUsALeaf: number;
}

export interface AppendRun {
  readonly small: AppendCost;
  readonly large: AppendCost;
  readonly ratioOfMedians: number;
  readonly ratioOfMeans: number;
  readonly ratioOfCpu: number;
  readonly growSeconds: number;
  readonly grownPerS: number;
}

export interface LongLogFolder {
  readonly folder: DataFolder;
  readonly growSeconds: number;
}

/** A ledger of `homes` enrolled homes whose log has `size` entries. */
export async function growLog(path: string, size: number): Promise<LongLogFolder> {
  const clock = new StepClock(START_S * 1_000);
  const shape = { homes: HOMES, quantities: [1, 2, 3], intervalS: 300, firstIntervalS: START_S } as const;
  const { folder, boxes } = await foundCommunity(path, shape, clock);
  const startMs = performance.now();
  await withLongLog(folder, boxes.length, (log) => log.growTo(size));
  return { folder, growSeconds: (performance.now() - startMs) / 1_000 };
}

/** `large` is a folder of `growLog`; it grows by what is measured. */
export async function runAppend(path: string, large: LongLogFolder, largeSize: number): Promise<AppendRun> {
  const small = await growLog(join(path, 'small'), SMALL);
  const costs = { small: new Costs(), large: new Costs() };
  for (let round = 0; round < ROUNDS; round++) {
    // A fresh copy each time: ten thousand stay ten thousand.
    const copy = join(path, `small-${round}`);
    cpSync(small.folder.path, copy, { recursive: true });
    await withLongLog(new DataFolder(copy), HOMES, (log) => costs.small.measure(log, COMMITS_A_ROUND));
    await withLongLog(large.folder, HOMES, (log) => costs.large.measure(log, COMMITS_A_ROUND));
  }
  const [smallCost, largeCost] = [costs.small.at(SMALL), costs.large.at(largeSize)];
  return {
    small: smallCost,
    large: largeCost,
    ratioOfMedians: largeCost.medianUsALeaf / smallCost.medianUsALeaf,
    ratioOfMeans: largeCost.meanUsALeaf / smallCost.meanUsALeaf,
    ratioOfCpu: largeCost.cpuUsALeaf / smallCost.cpuUsALeaf,
    growSeconds: large.growSeconds,
    grownPerS: largeSize / large.growSeconds,
  };
}

class Costs {
  readonly #commitMs: number[] = [];
  #cpuSeconds = 0;

  /** The first commit reads the rows of a store that was just opened: it is not counted. */
  async measure(log: LongLog, commits: number): Promise<void> {
    await log.append(LEAVES_A_COMMIT);
    const cpuBefore = cpuSeconds();
    for (let commit = 0; commit < commits; commit++) {
      const startMs = performance.now();
      await log.append(LEAVES_A_COMMIT);
      this.#commitMs.push(performance.now() - startMs);
    }
    this.#cpuSeconds += cpuSeconds() - cpuBefore;
  }

  at(leaves: number): AppendCost {
    const usALeaf = (ms: number): number => (ms * 1_000) / LEAVES_A_COMMIT;
    const commits = this.#commitMs.length;
    return {
      leaves,
      commits,
      medianUsALeaf: usALeaf(median(this.#commitMs)),
      meanUsALeaf: usALeaf(mean(this.#commitMs)),
      cpuUsALeaf: (this.#cpuSeconds * 1e6) / (commits * LEAVES_A_COMMIT),
    };
  }
}

async function withLongLog<T>(folder: DataFolder, homes: number, work: (log: LongLog) => Promise<T>): Promise<T> {
  const open = openLedger(folder, new StepClock(START_S * 1_000));
  try {
    const owners = Array.from({ length: homes }, (_, home) => `m-h${home}`);
    return await work(new LongLog(folder, open, owners));
  } finally {
    await open.close();
  }
}
