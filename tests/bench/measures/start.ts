/** From the start of the process to the first healthy answer of `commonwatt serve`, with a long log in its store. */
import type { DataFolder } from '@commonwatt/ledger-service/dist/cli/data-folder.js';
import { peakResidentBytesOf } from '../support/process-cpu.js';
import { Program } from '../support/program.js';
import { median } from '../support/statistics.js';

const LOOK_EVERY_MS = 5;
const HEALTHY_WITHIN_MS = 120_000;

export interface StartRun {
  readonly entries: number;
  /** Each start, milliseconds. */
  readonly healthyMs: readonly number[];
  readonly medianMs: number;
  readonly residentMb: number;
}

/** The port is chosen by the system and told by the service, so the first question can only come after its first line. */
export async function runStart(folder: DataFolder, entries: number, times: number): Promise<StartRun> {
  const healthyMs: number[] = [];
  let residentBytes = 0;
  for (let i = 0; i < times; i++) {
    const startMs = performance.now();
    const service = new Program('commonwatt', [
      ...['serve', '--data', folder.path, '--port', '0', '--mqtt-port', '0', '--json'],
    ]);
    try {
      const { url } = await service.line('being served', (line) => typeof line.url === 'string');
      await healthy(String(url), entries);
      healthyMs.push(performance.now() - startMs);
      residentBytes = Math.max(residentBytes, peakResidentBytesOf(service.pid));
    } finally {
      await service.stop();
    }
  }
  return { entries, healthyMs, medianMs: median(healthyMs), residentMb: residentBytes / 2 ** 20 };
}

async function healthy(url: string, entries: number): Promise<void> {
  const endMs = performance.now() + HEALTHY_WITHIN_MS;
  while (performance.now() < endMs) {
    const response = await fetch(`${url}/health`).catch(() => undefined);
    if (response?.status === 200) {
      const { communities } = (await response.json()) as { communities: { size: number }[] };
      const size = communities[0]?.size ?? 0;
      if (size < entries) throw new Error(`start: expected a log of ${entries} entries, got ${size}`);
      return;
    }
    await response?.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`start: not healthy within ${HEALTHY_WITHIN_MS / 1_000} s`);
}
