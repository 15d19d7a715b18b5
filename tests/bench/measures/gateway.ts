/**
 * What a box in a home needs: a real `commonwatt-gateway run` that polls four simulated meters of four kinds each second
 * over Modbus TCP, seals at each edge of five minutes, and gets its receipts from a real `commonwatt serve`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuSecondsOf, peakResidentBytesOf, residentBytesOf } from '../support/process-cpu.js';
import { Program, run } from '../support/program.js';
import { median, percentile } from '../support/statistics.js';

const HOMES = 4;
const SETTLE_IN_S = 10;
const SAMPLE_EVERY_MS = 1_000;
const MIB = 2 ** 20;
const COMMUNITY = 'bench';

export interface GatewayRun {
  readonly profiles: readonly string[];
  readonly seconds: number;
  readonly residentMb: {
    readonly first: number;
    readonly last: number;
    readonly median: number;
    readonly peak: number;
  };
  readonly cpuPercent: number;
  readonly modbusRequests: number;
  readonly modbusRequestsPerS: number;
}

interface Device {
  readonly profile: string;
  readonly host: string;
  readonly port: number;
  readonly unit: number;
}

export async function runGateway(path: string, seconds: number): Promise<GatewayRun> {
  const programs: Program[] = [];
  const started = (program: Program): Program => {
    programs.push(program);
    return program;
  };
  try {
    const simulator = started(new Program('commonwatt-sim', ['--lines']));
    const devices = await startStreet(simulator);
    const ledger = join(path, 'ledger');
    await run('commonwatt', [
      ...['init', '--data', ledger, '--community', COMMUNITY, '--host', 'ledger.example', '--interval', '5m', '--json'],
    ]);
    const service = started(
      new Program('commonwatt', ['serve', '--data', ledger, '--port', '0', '--mqtt-port', '0', '--json']),
    );
    await service.line('being served', (line) => typeof line.mqtt === 'string');
    const box = started(await startBox(path, ledger, devices));
    return await watch(box, simulator, { devices, seconds });
  } finally {
    for (const program of programs.reverse()) await program.stop();
  }
}

/** One meter of each home: four profiles. */
async function startStreet(simulator: Program): Promise<readonly Device[]> {
  const { homes } = (await simulator.ask('street', { count: HOMES })) as unknown as { homes: { devices: Device[] }[] };
  const startNs = String(process.hrtime.bigint());
  await simulator.ask('clock', { base_ms: Date.now(), start_ns: startNs, speed: 1 });
  return homes.map(({ devices }) => devices[0]!);
}

async function startBox(path: string, ledger: string, devices: readonly Device[]): Promise<Program> {
  const data = join(path, 'box');
  const { public_key: publicKey } = await run('commonwatt-gateway', ['key', '--data', data, '--json']);
  const keyFile = join(path, 'box.key');
  writeFileSync(keyFile, `${String(publicKey)}\n`);
  const meters = devices.flatMap(({ profile, host, port, unit }) => ['--meter', `${profile}@${host}:${port}/${unit}`]);
  const { config } = await run('commonwatt', [
    ...['enrol', '--data', ledger, '--home', 'h0', '--key', keyFile, '--poll', '1s', '--json', ...meters],
  ]);
  return new Program('commonwatt-gateway', ['run', '--config', String(config), '--data', data, '--json']);
}

async function watch(
  box: Program,
  simulator: Program,
  { devices, seconds }: { devices: readonly Device[]; seconds: number },
): Promise<GatewayRun> {
  await box.line('its first status', () => true);
  await pauseMs(SETTLE_IN_S * 1_000);
  const requestsOf = async (): Promise<number> => Number((await simulator.ask('stats')).requests);
  const requestsBefore = await requestsOf();
  const cpuBefore = cpuSecondsOf(box.pid);
  const startMs = performance.now();
  const residentMb: number[] = [];
  while (performance.now() - startMs < seconds * 1_000) {
    residentMb.push(residentBytesOf(box.pid) / MIB);
    await pauseMs(SAMPLE_EVERY_MS);
  }
  const elapsedS = (performance.now() - startMs) / 1_000;
  const usedCpuS = cpuSecondsOf(box.pid) - cpuBefore;
  const modbusRequests = (await requestsOf()) - requestsBefore;
  if (modbusRequests < devices.length * seconds * 0.9) {
    throw new Error(`gateway: expected ${devices.length} requests a second, got ${modbusRequests / elapsedS}`);
  }
  return {
    profiles: devices.map(({ profile }) => profile),
    seconds: elapsedS,
    residentMb: {
      first: residentMb[0]!,
      last: residentMb.at(-1)!,
      median: median(residentMb),
      peak: Math.max(peakResidentBytesOf(box.pid) / MIB, percentile(residentMb, 1)),
    },
    cpuPercent: (usedCpuS / elapsedS) * 100,
    modbusRequests,
    modbusRequestsPerS: modbusRequests / elapsedS,
  };
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
