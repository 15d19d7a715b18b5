import type { SimCommand } from './cli.js';
import type { SettableClock } from './clock.js';
import { describeStreet } from './lines/session.js';
import { readRegisterFile } from './replay/register-file.js';
import { Replayer } from './replay/replayer.js';
import { readDefaultStreet, readScenario, withCount } from './scenarios.js';
import { readStateFile, writeStateFile } from './street/state-file.js';
import { Street } from './street/street.js';
import { isoSeconds } from './street/truth.js';

/** What the outside hands in: where to print, what time it is, and the end. */
export interface Surroundings {
  readonly clock: SettableClock;
  readonly monotonicNs: () => bigint;
  readonly wallMs: number;
  /** For people and programs that read the result. */
  readonly print: (text: string) => void;
  /** For people only. */
  readonly tell: (text: string) => void;
  /** Aborted when it is time to stop. */
  readonly signal: AbortSignal;
}

const TICK_MS = 1000;
const STEP_POLL_MS = 50;
const STREET_INTERVAL_MS = 900_000;

/** `commonwatt-sim street`: runs until told to stop. */
export async function runStreet(command: Extract<SimCommand, { kind: 'street' }>, around: Surroundings): Promise<void> {
  const scenario = command.scenario === undefined ? await readDefaultStreet() : await readScenario(command.scenario);
  const saved = command.state === undefined ? undefined : await readStateFile(command.state);
  const resumeMs = saved === undefined ? [] : [...saved.values()].map((states) => states.at(-1)?.timeMs ?? 0);
  const street = new Street({
    scenario: command.homes === undefined ? scenario : withCount(scenario, command.homes),
    clock: around.clock,
    host: command.bind,
    firstPort: command.firstPort,
    intervalMs: STREET_INTERVAL_MS,
    ...(saved === undefined ? {} : { saved }),
  });
  await street.start();
  const baseMs = resumeMs.length > 0 ? Math.max(...resumeMs) : around.wallMs;
  around.clock.run({ baseMs, startNs: around.monotonicNs(), speed: command.speed });
  printDevices(describeStreet(street, command.bind), { title: scenario.title, json: command.json }, around);
  around.tell(`Simulated time is ${isoSeconds(baseMs)}, ${command.speed} times real time. Ctrl-C stops.`);
  await ticks(around.signal, async () => {
    street.advance();
    if (command.state !== undefined) await writeStateFile(command.state, street.saved);
  });
  street.stop();
  if (command.state !== undefined) await writeStateFile(command.state, street.saved);
  if (command.truth !== undefined) await street.truth.write(command.truth);
}

/** `commonwatt-sim replay`: shows each instant until the next one is due, and stops after the last. */
export async function runReplay(command: Extract<SimCommand, { kind: 'replay' }>, around: Surroundings): Promise<void> {
  const file = await readRegisterFile(command.file);
  const replayer = new Replayer(file, command.bind);
  await replayer.start();
  const homes = replayer.homes.map(({ id, device, recorded }) => ({
    id,
    devices: [
      { profile: 'reference', host: command.bind, port: device.server.port, unit: 1, channels: device.channels },
    ],
    readings: recorded.readings,
  }));
  printDevices(homes, { title: command.file, json: command.json }, around);
  const [firstMs = 0] = file.instantsMs;
  around.clock.run({ baseMs: firstMs, startNs: around.monotonicNs(), speed: command.speed });
  let shown = -1;
  while (!around.signal.aborted && shown < file.instantsMs.length - 1) {
    const nowMs = around.clock.nowMs() ?? firstMs;
    const due = file.instantsMs.findLastIndex((timeMs) => timeMs <= nowMs);
    if (due > shown) await replayer.show(file.instantsMs[due]!);
    shown = Math.max(shown, due);
    await pause(STEP_POLL_MS, around.signal);
  }
  around.tell(`Shown up to ${isoSeconds(file.instantsMs[Math.max(shown, 0)] ?? firstMs)}.`);
  replayer.stop();
}

interface Described {
  readonly id?: string;
  readonly devices?: readonly { profile: string; host: string; port: number; unit: number }[];
}

function printDevices(
  homes: readonly object[],
  { title, json }: { title: string; json: boolean },
  { print, tell }: Surroundings,
): void {
  if (json) {
    print(JSON.stringify({ title, homes }));
    return;
  }
  tell(title);
  print(`${'home'.padEnd(24)}${'profile'.padEnd(18)}${'address'.padEnd(24)}unit`);
  for (const { id = '', devices = [] } of homes as readonly Described[]) {
    for (const { profile, host, port, unit } of devices) {
      print(`${id.slice(0, 23).padEnd(24)}${profile.padEnd(18)}${`${host}:${port}`.padEnd(24)}${unit}`);
    }
  }
}

async function ticks(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await pause(TICK_MS, signal);
    await work();
  }
}

/** Resolves after that time, or as soon as it is time to stop. */
async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, durationMs);
    signal.addEventListener('abort', done);
  });
}
