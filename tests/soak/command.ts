import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type JsonLine, ROOT } from '../e2e/support/program.js';
import { watched } from './mortal.js';

const KEPT_BYTES = 4_000;

/** Runs `commonwatt` to its end and returns the JSON object it prints. Throws with its last words for any other end. */
export async function commonwatt(args: readonly string[], nodeArgs: readonly string[] = []): Promise<JsonLine> {
  const launcher = fileURLToPath(new URL('ledger-service/bin/commonwatt.js', ROOT));
  const child = spawn(process.execPath, [...nodeArgs, launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-KEPT_BYTES);
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  watched({
    exited,
    notes: [],
    pid: child.pid,
    kill: () => exited,
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
  });
  await exited;
  if (child.exitCode === 0) return JSON.parse(stdout) as JsonLine;
  throw new Error(`commonwatt ${args.join(' ')}: exit ${child.exitCode ?? child.signalCode}: ${stderr} ${stdout}`);
}
