import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../bin/commonwatt-sim.js', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const PATIENCE_MS = 20_000;

/** The command runs what was built. */
export const isBuilt = existsSync(BUILT);

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
export async function run(args: readonly string[], input = ''): Promise<Finished> {
  const child = new Child(args);
  child.write(input);
  child.endInput();
  return child.finished();
}

/** The command as its users have it: a process. */
export class Child {
  readonly #process: ChildProcess;
  #stdout = '';
  #stderr = '';
  #taken = 0;
  #id = 0;
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, [LAUNCHER, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stdout?.on('data', (bytes) => {
      this.#stdout += bytes;
      this.#wake();
    });
    this.#process.stderr?.on('data', (bytes) => {
      this.#stderr += bytes;
    });
    this.#process.stdin?.on('error', () => {});
    this.#process.on('close', () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  endInput(): void {
    this.#process.stdin?.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** The next line of standard output. */
  async line(): Promise<string> {
    let end = -1;
    await this.#until('a line', () => {
      end = this.#stdout.indexOf('\n', this.#taken);
      return end >= 0;
    });
    const line = this.#stdout.slice(this.#taken, end);
    this.#taken = end + 1;
    return line;
  }

  /** Sends a request and takes its answer. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field in the tests
  async ask(request: object): Promise<Record<string, any>> {
    const id = ++this.#id;
    this.write(`${JSON.stringify({ id, ...request })}\n`);
    const answer = JSON.parse(await this.line());
    if (answer.id !== id) throw new Error(`answer to ${id} expected, got ${JSON.stringify(answer).slice(0, 200)}`);
    return answer;
  }

  async finished(): Promise<Finished> {
    await this.#until('the end', () => this.#hasEnded);
    return { status: this.#process.exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** For the end of a test that failed half way. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!holds()) {
      if (this.#hasEnded || Date.now() > deadline) throw new Error(`no ${what}; standard error: ${this.#stderr}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
