/**
 * Frames a second from MQTT in to receipt out: a real `commonwatt serve`, 500 gateways on connections of their own in one
 * generator process, frames sealed beforehand, every receipt's proof checked afterwards.
 */
import { join } from 'node:path';
import { RealClock } from '@commonwatt/ledger-service/dist/adapters/system/clock.js';
import { GeneratorProcess } from '../generator/generator-process.js';
import type { CheckDone, FlowDone } from '../generator/messages.js';
import { type BareRate, BareVerify, between, rateDifference } from '../support/bare-verify.js';
import { COMMUNITY, type FoundedCommunity, foundCommunity, ORIGIN } from '../support/bench-community.js';
import { fileBytes } from '../support/file-bytes.js';
import { type Mosquitto, startMosquitto } from '../support/mosquitto.js';
import { Program } from '../support/program.js';
import { boxSeed, SealingBox } from '../support/sealing-box.js';
import { percentile } from '../support/statistics.js';

/** Twelve edges of five minutes are an hour. */
const STEP_S = 300;
const INSTANTS = 12;
const QUANTITIES = [1, 2, 3] as const;
const WINDOW = 2;
/** On the grid of every interval. */
const YEARS_S = 10 * 365 * 86_400;

export interface EndToEndPlan {
  readonly homes: number;
  /** Frames of each home that are sent as fast as they are answered. */
  readonly framesAHome: number;
  /** Receipts at the beginning that are not counted. */
  readonly skip: number;
  readonly broker: 'embedded' | 'mosquitto';
  /** No rules in force: what comes in is kept, proved and measured, and nothing of it is settled. */
  readonly withoutRules?: boolean;
  /** Where the CPU profile of a service on one core goes; absent: none is taken. */
  readonly profileFolder?: string;
  /** Afterwards at this part of the measured rate, in an open loop, as long as the sealed frames last; absent: not. */
  readonly steady?: { readonly share: number; readonly seconds: number; readonly framesAHome: number };
}

/** Milliseconds from the instant at which a frame was due to leave to its receipt. */
export interface Latencies {
  readonly frames: number;
  readonly offeredPerS: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** How late frames left, at worst: the generator's own part. */
  readonly worstLagMs: number;
}

export interface EndToEndRun {
  readonly broker: string;
  readonly homes: number;
  readonly frames: number;
  readonly frameBytes: number;
  /** Leaf, opening, readings, settlements and all else in the stopped ledger's file, by its frames. */
  readonly diskBytesAFrame: number;
  readonly flow: FlowDone;
  readonly steady?: Latencies;
  readonly check: CheckDone;
  readonly bareBefore: BareRate;
  readonly bareAfter: BareRate;
  readonly bare: BareRate;
  readonly bareDifference: number;
  readonly serviceCpuUs: number;
  readonly brokerCpuUs?: number;
  readonly generatorCpuUs: number;
  /** Frames a CPU second of the service against bare verdicts a CPU second. */
  readonly cpuRatio: number;
  /** Receipts a second against bare verdicts a second of one core. */
  readonly wallRatio: number;
}

export async function runEndToEnd(path: string, plan: EndToEndPlan): Promise<EndToEndRun> {
  const mosquitto = plan.broker === 'mosquitto' ? await startMosquitto(path) : undefined;
  const generator = new GeneratorProcess();
  let service: Program | undefined;
  try {
    const startS = firstReadingS(plan);
    const firstIntervalS = plan.withoutRules === true ? startS + YEARS_S : startS;
    const shape = { homes: plan.homes, quantities: QUANTITIES, intervalS: STEP_S, firstIntervalS } as const;
    const community = await foundCommunity(join(path, 'ledger'), shape, new RealClock());
    const sealed = await generator.ask({ do: 'seal', plan: generatorPlan(plan, community, startS) });
    service = serve(community, plan, mosquitto);
    const { mqtt } = await service.line('being served', (line) => typeof line.mqtt === 'string');
    const { hostname: host, port } = new URL(String(mqtt));
    await generator.ask({ do: 'connect', host, port: Number(port) });
    const run = await measure(plan, { generator, service, mosquitto, sealed, startS });
    await service.stop();
    return { ...run, diskBytesAFrame: fileBytes(community.folder.ledgerFile) / run.frames };
  } finally {
    await generator.stop();
    await service?.stop();
    await mosquitto?.stop();
  }
}

async function measure(
  plan: EndToEndPlan,
  world: {
    generator: GeneratorProcess;
    service: Program;
    mosquitto: Mosquitto | undefined;
    sealed: { bytes: number; frames: number };
    startS: number;
  },
): Promise<Omit<EndToEndRun, 'diskBytesAFrame'>> {
  const { generator, service, mosquitto, sealed } = world;
  const bare = bareVerify(plan, world.startS);
  const watched = [
    { name: 'service', pid: service.pid },
    ...(mosquitto === undefined ? [] : [{ name: 'broker', pid: mosquitto.pid }]),
  ];
  const bareBefore = bare.measure();
  const { framesAHome, skip } = plan;
  const flow = await generator.ask({ do: 'flow', framesAHome, window: WINDOW, skip, watched });
  const bareAfter = bare.measure();
  const steady = await runSteady(generator, plan, flow);
  const check = await generator.ask({ do: 'check' });
  const middle = between(bareBefore, bareAfter);
  const usOf = (name: string): number => (flow.cpuSeconds[name]! * 1e6) / flow.frames;
  return {
    broker: mosquitto === undefined ? 'embedded' : `mosquitto ${mosquitto.version}`,
    homes: plan.homes,
    frames: check.receipts,
    frameBytes: sealed.bytes / sealed.frames,
    flow,
    ...(steady && { steady }),
    check,
    bareBefore,
    bareAfter,
    bare: middle,
    bareDifference: rateDifference(bareBefore, bareAfter),
    serviceCpuUs: usOf('service'),
    ...(mosquitto !== undefined && { brokerCpuUs: usOf('broker') }),
    generatorCpuUs: usOf('generator'),
    cpuRatio: flow.frames / flow.cpuSeconds.service! / middle.perCpuS,
    wallRatio: flow.framesPerS / middle.perS,
  };
}

async function runSteady(
  generator: GeneratorProcess,
  plan: EndToEndPlan,
  flow: FlowDone,
): Promise<Latencies | undefined> {
  if (plan.steady === undefined) return undefined;
  const { share, seconds, framesAHome } = plan.steady;
  const framesPerS = flow.framesPerS * share;
  const wanted = Math.max(1, Math.min(framesAHome, Math.round((framesPerS * seconds) / plan.homes)));
  const done = await generator.ask({ do: 'steady', framesAHome: plan.framesAHome + wanted, framesPerS });
  const at = (part: number): number => percentile(done.latenciesMs, part);
  return {
    frames: done.frames,
    offeredPerS: done.offeredPerS,
    seconds: done.seconds,
    ...{ p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), p999Ms: at(0.999), maxMs: at(1) },
    worstLagMs: done.worstLagMs,
  };
}

/** So long ago that the newest reading is in the past. */
function firstReadingS(plan: EndToEndPlan): number {
  const hours = totalFrames(plan) + 1;
  return Math.floor(Date.now() / 1_000 / STEP_S) * STEP_S - hours * INSTANTS * STEP_S;
}

function totalFrames({ framesAHome, steady }: EndToEndPlan): number {
  return framesAHome + (steady?.framesAHome ?? 0);
}

function generatorPlan(plan: EndToEndPlan, { boxes, logKey }: FoundedCommunity, startS: number) {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    community: COMMUNITY,
    origin: ORIGIN,
    logKey: hex(logKey),
    homes: boxes.map(({ home, seed, previous }) => ({ home, seed: hex(seed), firstPrevious: hex(previous) })),
    framesAHome: totalFrames(plan),
    startS,
    stepS: STEP_S,
    instants: INSTANTS,
    quantities: QUANTITIES,
  };
}

function serve({ folder }: FoundedCommunity, plan: EndToEndPlan, mosquitto: Mosquitto | undefined): Program {
  const broker = mosquitto === undefined ? ['--mqtt-port', '0'] : ['--mqtt', mosquitto.url];
  const args = ['serve', '--data', folder.path, '--port', '0', ...broker, '--json'];
  if (plan.profileFolder === undefined) return new Program('commonwatt', args);
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${plan.profileFolder}`, '--cpu-prof-interval=500'];
  return new Program('commonwatt', args, { nodeArgs, oneCore: true });
}

function bareVerify({ homes }: EndToEndPlan, startS: number): BareVerify {
  const hasher = { sha256: () => new Uint8Array(32) };
  const boxes = Array.from(
    { length: homes },
    (_, home) => new SealingBox({ origin: ORIGIN, home: `h${home}`, seed: boxSeed(home), hasher }),
  );
  return new BareVerify(boxes, { startS, stepS: STEP_S, instants: INSTANTS });
}
