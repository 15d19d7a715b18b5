import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../bin/commonwatt.js', import.meta.url));
/** Empty when the command can run, else why not. */
export const notBuilt = existsSync(fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url)))
  ? ''
  : 'needs the build: npm run build';

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly finished: Promise<Finished>;
  /** What it said so far. */
  readonly said: { stdout: string; stderr: string };
}

/** The real command in a process of its own; `environment` comes on top of what the process needs to run. */
export function start(args: readonly string[], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...environment },
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.stderr += chunk.toString();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (status) => resolve({ status, ...said }));
  });
  return { child, finished, said };
}

export function run(args: readonly string[], environment: Record<string, string> = {}): Promise<Finished> {
  return start(args, environment).finished;
}

/** Runs with `--json` and parses the one object; throws what the command said unless the status is 0. */
export async function runJson(args: readonly string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await run([...args, '--json']);
  if (status !== 0) throw new Error(`commonwatt ${args.join(' ')}: ${status} ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
