/**
 * A fleet comes back after a day without its ledger: every gateway has a day's frames and sends what it has, while homes that
 * were never away go on living. Everything is absorbed, nobody who is live waits for it, and nothing in the ledger grows.
 */
import { cpSync } from 'node:fs';
import { MAX_HELD_MESSAGES, MAX_QUEUED_MESSAGES } from '@commonwatt/ledger-service/dist/adapters/mqtt/ingest-lane.js';
import { RealClock } from '@commonwatt/ledger-service/dist/adapters/system/clock.js';
import { checkReceipts } from '../../bench/generator/frame-store.js';
import { GeneratorProcess } from '../../bench/generator/generator-process.js';
import type { FlowDone, GeneratorPlan } from '../../bench/generator/messages.js';
import { COMMUNITY, type FoundedCommunity, foundCommunity, ORIGIN } from '../../bench/support/bench-community.js';
import { type Mosquitto, startMosquitto } from '../../bench/support/mosquitto.js';
import type { SealingBox } from '../../bench/support/sealing-box.js';
import { percentile } from '../../bench/support/statistics.js';
import { Program } from '../../e2e/support/program.js';
import type { TempFolder } from '../../e2e/support/temp-folder.js';
import { expectThat } from '../expect-that.js';
import { watched } from '../mortal.js';
import type { BrokerKind } from '../options.js';
import { LiveHomes } from './live-homes.js';
import { ServiceWatch } from './service-watch.js';

const LIVE_HOMES = 50;
/** A day of quarter-hours. */
const FRAMES_A_HOME = 96;
const INTERVAL_S = 900;
/** A reading each minute. */
const STEP_S = 60;
const INSTANTS = INTERVAL_S / STEP_S;
const QUANTITIES = [1, 2] as const;
/** On a machine that does nothing else. */
const LIVE_RECEIPT_WITHIN_MS = 2_000;
/** Of the time: what the fleet's own processes take from the ledger on two cores. Beyond it others are at work too. */
const MAX_OWN_DENIED_SHARE = 0.4;
/** For the newest days of readings, batches and what waits; all of it is on the disk. */
const MAX_GROWTH_BYTES = 600 * 1024 * 1024;
const STARTED_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 60_000;
const PROGRESS_EVERY_MS = 15_000;
const MIB = 1024 * 1024;

export interface FleetPlan {
  readonly gateways: number;
  readonly broker: BrokerKind;
}

interface Absorbed {
  readonly flow: FlowDone;
  readonly receipts: number;
  readonly watch: ServiceWatch;
  readonly afterBytes: number;
  readonly live: LiveHomes | undefined;
}

/** Says the figures. Throws a sentence when something is not as it has to be. */
export async function runFleet(plan: FleetPlan, folder: TempFolder, say: (line: string) => void): Promise<void> {
  const generator = new GeneratorProcess();
  try {
    const startS = firstReadingS();
    const shape = { homes: plan.gateways + LIVE_HOMES, quantities: QUANTITIES, intervalS: INTERVAL_S } as const;
    const firstIntervalS = startS - STEP_S;
    const community = await foundCommunity(folder.at('fleet'), { ...shape, firstIntervalS }, new RealClock());
    cpSync(folder.at('fleet'), folder.at('fleet-alone'), { recursive: true });
    const boxes = community.boxes.slice(0, plan.gateways);
    const sealed = await generator.ask({ do: 'seal', plan: generatorPlan(community, boxes, startS) });
    say(`${plan.gateways} gateways were away for a day; they return with ${sealed.frames} frames`);
    const run = { plan, generator, folder, community, say, frames: sealed.frames };
    const alone = await absorb(run, folder.at('fleet-alone'), undefined);
    say(`absorbed by itself: ${perS(alone)} frames/s; now again, with ${LIVE_HOMES} homes that are live`);
    const live = new LiveHomes(COMMUNITY, community.boxes.slice(plan.gateways));
    const together = await absorb(run, folder.at('fleet'), live);
    for (const line of figuresOf(plan, alone, together, live)) say(`fleet: ${line}`);
    judge(plan, [alone, together], live);
  } finally {
    await generator.stop();
  }
}

interface Run {
  readonly plan: FleetPlan;
  readonly generator: GeneratorProcess;
  readonly folder: TempFolder;
  readonly community: FoundedCommunity;
  readonly frames: number;
  readonly say: (line: string) => void;
}

/** A ledger of its own on that folder takes all frames in; every receipt's proof is checked. */
async function absorb(run: Run, data: string, live: LiveHomes | undefined): Promise<Absorbed> {
  const { plan, generator, folder, community, frames, say } = run;
  const mosquitto = plan.broker === 'mosquitto' ? await startMosquitto(folder.path) : undefined;
  const service = watched(serve(data, mosquitto));
  let watch: ServiceWatch | undefined;
  try {
    const { url, mqtt } = await service.line(
      'being served',
      STARTED_WITHIN_MS,
      (line) => typeof line.mqtt === 'string',
    );
    const { hostname: host, port } = new URL(String(mqtt));
    await generator.ask({ do: 'connect', host, port: Number(port) });
    await live?.connect(host, Number(port));
    watch = new ServiceWatch(service.pid!, String(url));
    live?.begin();
    const flow = await withProgress(
      () => say(`${Math.round(watch!.nowBytes / MIB)} MiB resident, ${live?.latenciesMs.length ?? 0} live receipts`),
      generator.ask({
        ...{ do: 'flow', framesAHome: FRAMES_A_HOME, window: 'box', skip: 0 },
        watched: [{ name: 'service', pid: service.pid! }],
      }),
    );
    await live?.rest();
    const afterBytes = watch.nowBytes;
    await watch.stop();
    live?.close();
    const { receipts } = await generator.ask({ do: 'check' });
    expectThat(receipts === frames, `${receipts} receipts for ${frames} frames of the fleet`);
    if (live !== undefined) checkReceipts(generatorPlan(community, [], 0), live.exchanged);
    expectThat((await service.stop(STOPPED_WITHIN_MS)) === 0, 'the ledger did not stop in order after the fleet');
    return { flow, receipts, watch, afterBytes, live };
  } finally {
    await watch?.stop();
    live?.close();
    if (service.isAlive) await service.kill();
    await mosquitto?.stop();
  }
}

async function withProgress<T>(tell: () => void, work: Promise<T>): Promise<T> {
  const timer = setInterval(tell, PROGRESS_EVERY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

function figuresOf(plan: FleetPlan, alone: Absorbed, together: Absorbed, live: LiveHomes): readonly string[] {
  const { watch, afterBytes, receipts } = together;
  const { latenciesMs } = live;
  const at = (share: number) => Math.round(percentile(latenciesMs, share));
  const mib = (bytes: number) => Math.round(bytes / MIB);
  const queued = Math.max(watch.maxQueued, alone.watch.maxQueued);
  return [
    `${receipts} frames of ${plan.gateways} gateways absorbed at ${perS(together)} frames/s, ${perS(alone)} without live homes; every receipt proves`,
    `${latenciesMs.length} live frames of ${LIVE_HOMES} homes meanwhile: receipt after p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms (limit ${liveLimitMs(together)})`,
    `resident ${mib(watch.beforeBytes)} MiB before, at most ${mib(watch.maxBytes)}, ${mib(afterBytes)} after; at most ${queued} messages waited (bound ${queueBound(plan)}); ${Math.round(100 * watch.deniedShare)} % of the time its main thread waited for a core`,
  ];
}

function queueBound({ broker, gateways }: FleetPlan): number {
  return broker === 'embedded' ? MAX_HELD_MESSAGES + gateways + LIVE_HOMES : MAX_QUEUED_MESSAGES + 1;
}

/** Where other work takes the cores, the same work takes that much longer. */
function liveLimitMs({ watch: { deniedShare } }: Absorbed): number {
  if (deniedShare <= MAX_OWN_DENIED_SHARE) return LIVE_RECEIPT_WITHIN_MS;
  return Math.round((LIVE_RECEIPT_WITHIN_MS * (1 - MAX_OWN_DENIED_SHARE)) / (1 - deniedShare));
}

/** Throws a sentence for the first that is not as it has to be. */
function judge(plan: FleetPlan, runs: readonly Absorbed[], { latenciesMs, failure }: LiveHomes): void {
  if (failure !== undefined) throw failure;
  expectThat(latenciesMs.length > 0, 'no live frame was sent while the fleet returned');
  const worstMs = Math.round(percentile(latenciesMs, 1));
  const limitMs = liveLimitMs(runs.at(-1)!);
  expectThat(
    worstMs <= limitMs,
    `a live frame waited ${worstMs} ms while the fleet returned, at most ${limitMs} may it`,
  );
  for (const { watch } of runs) {
    if (watch.failure !== undefined) throw watch.failure;
    const grownBytes = watch.maxBytes - watch.beforeBytes;
    expectThat(grownBytes <= MAX_GROWTH_BYTES, `the ledger grew by ${Math.round(grownBytes / MIB)} MiB`);
    const { maxQueued } = watch;
    expectThat(maxQueued <= queueBound(plan), `${maxQueued} messages waited, where at most ${queueBound(plan)} may`);
  }
}

function perS({ flow }: Absorbed): number {
  return Math.round(flow.framesPerS);
}

/** The last reading of each frame is at an edge, and that of the last frame at one that is over. */
function firstReadingS(): number {
  const lastEdgeS = Math.floor(Date.now() / 1_000 / INTERVAL_S) * INTERVAL_S;
  return lastEdgeS - FRAMES_A_HOME * INTERVAL_S + STEP_S;
}

function generatorPlan({ logKey }: FoundedCommunity, boxes: readonly SealingBox[], startS: number): GeneratorPlan {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    ...{ community: COMMUNITY, origin: ORIGIN, logKey: hex(logKey) },
    homes: boxes.map(({ home, seed, previous }) => ({ home, seed: hex(seed), firstPrevious: hex(previous) })),
    ...{ framesAHome: FRAMES_A_HOME, startS, stepS: STEP_S, instants: INSTANTS, quantities: QUANTITIES },
  };
}

function serve(data: string, mosquitto: Mosquitto | undefined): Program {
  const broker = mosquitto === undefined ? ['--mqtt-port', '0'] : ['--mqtt', mosquitto.url];
  return new Program('commonwatt', [
    'serve',
    '--data',
    data,
    '--port',
    '0',
    '--log-level',
    'warn',
    '--json',
    ...broker,
  ]);
}
