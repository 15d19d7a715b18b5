/** A program of the house as a real process: its first JSON line, its words for the case of trouble, and its end. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { ROOT } from '../root.js';
import { onInterrupt } from './clean-up.js';

const LAUNCHERS = {
  commonwatt: 'ledger-service/bin/commonwatt.js',
  'commonwatt-gateway': 'gateway/bin/commonwatt-gateway.js',
  'commonwatt-sim': 'device-sim/bin/commonwatt-sim.js',
} as const;
export type ProgramName = keyof typeof LAUNCHERS;

export type JsonLine = Readonly<Record<string, unknown>>;

const KEPT_LINES = 50;
const LINE_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 60_000;

/** Of util-linux; a process that it starts sees one core, so it makes no threads of its own to verify on. */
const hasTaskset = spawnSync('taskset', ['-c', '0', 'true']).status === 0;

export class Program {
  readonly #name: ProgramName;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: JsonLine[] = [];
  readonly #notes: string[] = [];
  readonly #wanting = new Set<() => void>();
  #ended = false;
  #nextId = 1;

  /** `nodeArgs` stand before the program, such as --cpu-prof; `oneCore` holds it to one core where that can be done. */
  constructor(
    name: ProgramName,
    args: readonly string[],
    { nodeArgs = [], oneCore = false }: { nodeArgs?: readonly string[]; oneCore?: boolean } = {},
  ) {
    this.#name = name;
    const command = [process.execPath, ...nodeArgs, join(ROOT, LAUNCHERS[name]), ...args];
    const [file, ...rest] = oneCore && hasTaskset ? ['taskset', '-c', '0', ...command] : command;
    this.#child = spawn(file!, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    createInterface({ input: this.#child.stderr }).on('line', (line) => keep(this.#notes, line));
    this.#child.stdin.on('error', () => undefined);
    const isUndone = onInterrupt(() => this.#child.kill('SIGKILL'));
    this.#child.on('exit', () => {
      isUndone();
      this.#ended = true;
      for (const look of this.#wanting) look();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isAlive(): boolean {
    return !this.#ended;
  }

  /** The first JSON line that `matches`. Throws with the program's last words when it ends before, or time is up. */
  line(what: string, matches: (line: JsonLine) => boolean): Promise<JsonLine> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer);
        this.#wanting.delete(look);
        end();
      };
      const trouble = (why: string) =>
        settle(() => reject(new Error(`${this.#name}: ${what}: ${why}: ${this.#notes.slice(-5).join(' / ')}`)));
      const timer = setTimeout(() => trouble('not in time'), LINE_WITHIN_MS);
      const look = () => {
        const found = this.#lines.find(matches);
        if (found !== undefined) settle(() => resolve(found));
        else if (this.#ended) trouble('it ended before');
      };
      this.#wanting.add(look);
      look();
    });
  }

  /** A request of the line protocol and its answer (ARCHITECTURE 4). */
  async ask(what: string, parameters: object = {}): Promise<JsonLine> {
    const id = this.#nextId++;
    this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...parameters })}\n`);
    const answer = await this.line(`answer to ${what}`, (line) => line.id === id);
    if (answer.failed !== undefined) throw new Error(`${this.#name}: ${what}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Resolves with the exit status when the program has ended by itself. */
  async ended(): Promise<number | null> {
    if (!this.#ended) await new Promise((resolve) => this.#child.once('exit', resolve));
    return this.#child.exitCode;
  }

  /** SIGTERM, and after a while -9. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    await gone;
    clearTimeout(timer);
  }

  #take(line: string): void {
    const value = parseObject(line);
    if (value === undefined) keep(this.#notes, line);
    else if (value.event === undefined) keep(this.#lines, value);
    for (const look of this.#wanting) look();
  }
}

/** Runs a command to its end. Throws with its last words unless the exit status is 0. Returns its one JSON object. */
export async function run(name: ProgramName, args: readonly string[]): Promise<JsonLine> {
  const program = new Program(name, args);
  const line = await program.line(args[0] ?? name, () => true);
  const status = await program.ended();
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: exit ${status}: ${JSON.stringify(line)}`);
  return line;
}

function parseObject(line: string): JsonLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as JsonLine) : undefined;
  } catch {
    return undefined;
  }
}

function keep<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > KEPT_LINES) list.shift();
}
