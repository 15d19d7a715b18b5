/** What a served ledger says of itself, and a process that refuses to start. */
import { readFileSync } from 'node:fs';
import type { CoOp, ServedLedger } from '../../e2e/support/co-op.js';
import { Program } from '../../e2e/support/program.js';

export interface Health {
  readonly status: number;
  readonly reasons: readonly string[];
}

export async function healthOf(ledger: ServedLedger): Promise<Health> {
  const response = await fetch(`${ledger.url}/health`);
  const { reasons } = (await response.json()) as { reasons: readonly string[] };
  return { status: response.status, reasons };
}

/** `commonwatt serve` that is expected to end by itself: its exit status and what it said. */
export async function refusedToServe(
  coOp: CoOp,
): Promise<{ readonly code: number | null | undefined; readonly said: string }> {
  const program = new Program('commonwatt', ['serve', '--data', coOp.data, '--port', '0', '--mqtt-port', '0']);
  const timer = setTimeout(() => void program.kill(), 15_000);
  await program.exited;
  clearTimeout(timer);
  return { code: program.exitCode, said: program.notes.join('\n') };
}

/** Resident memory in MB. */
export function residentMb(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? Number.NaN) / 1024;
}
