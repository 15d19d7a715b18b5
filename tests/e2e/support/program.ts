import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

/** The root of the repository, from the source here and from what the soak's build makes of it. */
export const ROOT = folderAbove('package-lock.json');

/** The programs of the house, by the launchers that people use. */
const PROGRAMS = {
  commonwatt: 'ledger-service/bin/commonwatt.js',
  'commonwatt-gateway': 'gateway/bin/commonwatt-gateway.js',
  'commonwatt-sim': 'device-sim/bin/commonwatt-sim.js',
  'publish-frames': 'tests/e2e/support/publish-frames.mjs',
} as const;
export type ProgramName = keyof typeof PROGRAMS;

const KEPT_LINES = 200;
const ANSWER_WITHIN_MS = 30_000;

/** A line that is a JSON object, as it came. */
export type JsonLine = Readonly<Record<string, unknown>>;

/** A real process of the house. What it says is kept; standard output in lines that are JSON where they can be. */
export class Program {
  readonly lines: JsonLine[] = [];
  readonly notes: string[] = [];
  readonly exited: Promise<void>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #name: string;
  #ended: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;
  #nextId = 1;

  constructor(name: ProgramName, args: readonly string[]) {
    this.#name = `${name} ${args[0] ?? ''}`;
    const script = fileURLToPath(new URL(PROGRAMS[name], ROOT));
    this.#child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    createInterface({ input: this.#child.stderr }).on('line', (line) => keep(this.notes, line));
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#ended = { code, signal };
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return this.#ended === undefined;
  }

  get exitCode(): number | null | undefined {
    return this.#ended?.code;
  }

  /** The first line that `matches`. Throws with the last words of the process when it ends before, or time is up. */
  async line(what: string, withinMs: number, matches: (line: JsonLine) => boolean): Promise<JsonLine> {
    return until(`${this.#name}: ${what}`, withinMs, () => {
      const found = this.lines.find(matches);
      if (found === undefined && !this.isAlive) throw this.#died(what);
      return found;
    });
  }

  /** A request of the line protocol, and its answer. Throws when it failed. */
  async ask(what: string, parameters: object = {}, withinMs = ANSWER_WITHIN_MS): Promise<JsonLine> {
    const id = this.#nextId++;
    this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...parameters })}\n`);
    const answer = await this.line(`answer to ${what}`, withinMs, (line) => line.id === id);
    this.lines.splice(this.lines.indexOf(answer), 1);
    if (answer.failed !== undefined) throw new Error(`${this.#name}: ${what}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM, and -9 if that does not help. Resolves with the exit status. */
  async stop(withinMs = 5_000): Promise<number | null | undefined> {
    if (this.isAlive) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    await this.exited;
    clearTimeout(timer);
    return this.exitCode;
  }

  #take(line: string): void {
    const value = parseObject(line);
    if (value === undefined) keep(this.notes, line);
    else if (value.event === undefined) this.lines.push(value);
  }

  #died(what: string): Error {
    const words = this.notes.slice(-5).join(' / ');
    return new Error(`${this.#name} ended (${this.#ended?.signal ?? this.#ended?.code}) before ${what}: ${words}`);
  }
}

/** Runs a command to its end and returns its one JSON object. Throws unless the exit status is the expected one. */
export async function run(name: ProgramName, args: readonly string[], expectedStatus = 0): Promise<JsonLine> {
  const program = new Program(name, args);
  await program.exited;
  const [answer] = program.lines;
  if (program.exitCode !== expectedStatus || answer === undefined || program.lines.length !== 1) {
    throw new Error(
      `${name} ${args.join(' ')}: expected exit ${expectedStatus} and one JSON object, got ${program.exitCode} and ${program.lines.length}: ${program.notes.slice(-5).join(' / ')} ${JSON.stringify(program.lines)}`,
    );
  }
  return answer;
}

function parseObject(line: string): JsonLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as JsonLine) : undefined;
  } catch {
    return undefined;
  }
}

function folderAbove(file: string): URL {
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    if (existsSync(new URL(file, folder))) return folder;
    if (folder.pathname === new URL('../', folder).pathname) throw new Error(`no ${file} above ${import.meta.url}`);
  }
}

function keep(list: string[], line: string): void {
  list.push(line.slice(0, 1_000));
  if (list.length > KEPT_LINES) list.shift();
}
