import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { fileURLToPath } from 'node:url';
import { LedgerError } from '../core/errors.js';

/** A line of a child is at most this long: the answer to `load` is the longest there is. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Of what a child says on standard error so much is kept, to say why it ended. */
const MAX_KEPT_LINES = 20;
const MAX_KEPT_LINE = 500;
const REQUEST_TIMEOUT_MS = 60_000;
/** After the polite ways of asking a child to end: these long each. */
const END_MS = 2_000;
const TERM_MS = 700;

/** The programs of the house that are started as children, by their launchers beside this package. */
const LAUNCHERS = {
  'commonwatt-sim': '../../../device-sim/bin/commonwatt-sim.js',
  'commonwatt-gateway': '../../../gateway/bin/commonwatt-gateway.js',
} as const;
export type ChildProgram = keyof typeof LAUNCHERS;

/** An answer or an event, as it came: fields are checked where they are used. */
export type LineObject = { readonly [name: string]: unknown };

interface Waiting {
  readonly what: string;
  readonly resolve: (answer: LineObject) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface LineChildOptions {
  readonly program: ChildProgram;
  /** How it is called in messages. */
  readonly name: string;
  readonly onEvent?: (event: LineObject) => void;
  readonly onStderr?: (line: string) => void;
}

/**
 * A child process that is spoken to in lines of JSON on its standard input and output (ARCHITECTURE, line protocol). It has
 * a process group of its own, so that a signal to the parent's group reaches only the parent, which then stops everything
 * in order; when the parent dies, the end of its standard input tells the child.
 */
export class LineChild {
  readonly name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onEvent: (event: LineObject) => void;
  readonly #lastWords: string[] = [];
  readonly #exited: Promise<void>;
  #hasExited = false;
  #isStopping = false;
  #nextId = 1;

  constructor({ program, name, onEvent, onStderr }: LineChildOptions) {
    this.name = name;
    this.#onEvent = onEvent ?? (() => undefined);
    const script = fileURLToPath(new URL(LAUNCHERS[program], import.meta.url));
    if (!existsSync(script))
      throw new LedgerError('child', `${program} is not beside this package: expected ${script}`);
    this.#child = spawn(process.execPath, [script, '--lines'], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    // A child that is gone is known by its exit, which fails every request.
    this.#child.stdin.on('error', () => undefined);
    readLines(this.#child.stdout, MAX_LINE_BYTES, (line) => this.#take(line));
    readLines(this.#child.stderr, MAX_LINE_BYTES, (line) => {
      this.#keep(line);
      onStderr?.(line);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#end(`cannot be started: ${error.message}`, resolve));
      this.#child.once('close', (code, signal) => this.#end(`ended by itself (${signal ?? code})`, resolve));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the process is gone. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** True from `stop` on: an end is then no accident. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** What it said last on standard error. */
  get lastWords(): readonly string[] {
    return this.#lastWords;
  }

  /** Rejects with LedgerError 'child', or with 'bad-file' when the child says so of its input. */
  request(what: string, parameters: object = {}, timeoutMs = REQUEST_TIMEOUT_MS): Promise<LineObject> {
    if (this.#hasExited) return Promise.reject(new LedgerError('child', `${this.name} is not running`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new LedgerError('child', `${this.name} did not answer ${what} within ${timeoutMs / 1_000} s`));
      }, timeoutMs);
      this.#waiting.set(id, { what, resolve, reject, timer });
      this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...parameters })}\n`);
    });
  }

  /** Ends its input, then asks more and more firmly. */
  async stop(): Promise<void> {
    if (this.#hasExited) return;
    this.#isStopping = true;
    this.#child.stdin.end();
    if (await this.#endsWithin(END_MS)) return;
    this.#child.kill('SIGTERM');
    if (await this.#endsWithin(TERM_MS)) return;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** At once; nothing is asked. */
  kill(): void {
    this.#isStopping = true;
    this.#child.kill('SIGKILL');
  }

  async #endsWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.#exited, over]);
    clearTimeout(timer);
    return this.#hasExited;
  }

  #take(line: string): void {
    const value = parseLine(line);
    if (value === undefined) this.#keep(`not a JSON object: ${line}`);
    else if (typeof value.event === 'string') this.#onEvent(value);
    else this.#settle(value, line);
  }

  #settle(value: LineObject, line: string): void {
    const waiting = typeof value.id === 'number' ? this.#waiting.get(value.id) : undefined;
    if (waiting === undefined) {
      this.#keep(`answer to nothing: ${line}`);
      return;
    }
    this.#waiting.delete(value.id as number);
    clearTimeout(waiting.timer);
    if (value.failed === undefined) waiting.resolve(value);
    else waiting.reject(failure(this.name, waiting.what, value));
  }

  #keep(line: string): void {
    this.#lastWords.push(line.slice(0, MAX_KEPT_LINE));
    if (this.#lastWords.length > MAX_KEPT_LINES) this.#lastWords.shift();
  }

  #end(how: string, done: () => void): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    const words = this.#lastWords.length === 0 ? '' : `: ${this.#lastWords.slice(-3).join(' / ')}`;
    for (const { timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new LedgerError('child', `${this.name} ${how}${words}`));
    }
    this.#waiting.clear();
    done();
  }
}

function failure(name: string, what: string, { failed, message }: LineObject): LedgerError {
  const sentence = typeof message === 'string' ? message : String(failed);
  if (failed === 'bad-file') return new LedgerError('bad-file', sentence);
  return new LedgerError('child', `${name}, ${what}: ${sentence}`);
}

function parseLine(line: string): LineObject | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as LineObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Calls for each line; one that is too long is left out. Pieces are joined once, so a long line costs its length. */
function readLines(stream: Readable, maxBytes: number, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let parts: string[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    const pieces = decoder.write(chunk).split('\n');
    const last = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (length + piece.length <= maxBytes) onLine([...parts, piece].join(''));
      parts = [];
      length = 0;
    }
    length += last.length;
    if (length <= maxBytes) parts.push(last);
    else parts = [];
  });
  // A stream that breaks ends, and with it the child that wrote to it.
  stream.on('error', () => undefined);
}

/** A field of an answer as what it should be. Throws LedgerError 'child'. */
export function numberIn(answer: LineObject, name: string): number {
  const value = answer[name];
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new LedgerError('child', `answer of a child: expected ${name} as a number, got ${typeof value}`);
}

export function textIn(answer: LineObject, name: string): string {
  const value = answer[name];
  if (typeof value === 'string') return value;
  throw new LedgerError('child', `answer of a child: expected ${name} as text, got ${typeof value}`);
}

export function listIn(answer: LineObject, name: string): readonly unknown[] {
  const value = answer[name];
  if (Array.isArray(value)) return value;
  throw new LedgerError('child', `answer of a child: expected ${name} as a list, got ${typeof value}`);
}

export function objectsIn(answer: LineObject, name: string): readonly LineObject[] {
  return listIn(answer, name).map((item) => {
    if (typeof item === 'object' && item !== null) return item as LineObject;
    throw new LedgerError('child', `answer of a child: expected objects in ${name}, got ${typeof item}`);
  });
}
