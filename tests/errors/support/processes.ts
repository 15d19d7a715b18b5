/** The commands as their users have them: processes, of what was built. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PATIENCE_MS = 25_000;

const LAUNCHERS = {
  commonwatt: 'ledger-service/bin/commonwatt.js',
  'commonwatt-gateway': 'gateway/bin/commonwatt-gateway.js',
  'commonwatt-sim': 'device-sim/bin/commonwatt-sim.js',
} as const;
const BUILDS = ['ledger-service/dist/cli/main.js', 'gateway/dist/main.js', 'device-sim/dist/main.js'];

export type Program = keyof typeof LAUNCHERS;

export const isBuilt = BUILDS.every((file) => existsSync(join(ROOT, file)));
/** Behind the name of what needs the commands, so that a skip says why. */
export const NOT_BUILT = isBuilt ? '' : ' (skipped: run npm run build first)';

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type JsonObject = { readonly [name: string]: unknown };

/** A running command. */
export class Running {
  readonly #child: ChildProcess;
  readonly #name: string;
  #stdout = '';
  #stderr = '';
  #taken = 0;
  #id = 0;
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(program: Program, args: readonly string[]) {
    this.#name = `${program} ${args.join(' ')}`;
    const script = join(ROOT, LAUNCHERS[program]);
    this.#child = spawn(process.execPath, [script, ...args], { stdio: 'pipe', env: ownEnvironment() });
    this.#child.stdout?.on('data', (bytes) => {
      this.#stdout += bytes;
      this.#wake();
    });
    this.#child.stderr?.on('data', (bytes) => {
      this.#stderr += bytes;
      this.#wake();
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.on('close', () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** The next line of standard output, as JSON. */
  async object(): Promise<JsonObject> {
    let end = -1;
    await this.#until('line on standard output', () => {
      end = this.#stdout.indexOf('\n', this.#taken);
      return end >= 0;
    });
    const line = this.#stdout.slice(this.#taken, end);
    this.#taken = end + 1;
    return JSON.parse(line) as JsonObject;
  }

  /** Resolves when standard error holds this; gives the first group. */
  async says(what: RegExp): Promise<string | undefined> {
    await this.#until(`${what} on standard error`, () => what.test(this.#stderr));
    return what.exec(this.#stderr)?.[1];
  }

  /** Line protocol: sends a request, takes the answer to it; events are passed over. */
  async ask(request: object): Promise<JsonObject> {
    const id = ++this.#id;
    this.write(`${JSON.stringify({ id, ...request })}\n`);
    for (;;) {
      const answer = await this.object();
      if (answer.event !== undefined) continue;
      if (answer.id !== id) throw new Error(`expected the answer to ${id}, got ${JSON.stringify(answer)}`);
      return answer;
    }
  }

  async finished(): Promise<Finished> {
    this.#child.stdin?.end();
    await this.#until('end', () => this.#hasEnded);
    return { status: this.#child.exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** Asks it to end in order. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.finished();
  }

  /** For the end of a test, however it ended. */
  kill(): void {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!holds()) {
      if (this.#hasEnded || Date.now() > deadline) {
        throw new Error(`${this.#name}: no ${what}; it said: ${this.#stdout.slice(-500)} ${this.#stderr.slice(-2000)}`);
      }
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

/** A command that ends with its test. */
export function start(program: Program, args: readonly string[]): Running {
  const running = new Running(program, args);
  onTestFinished(() => running.kill());
  return running;
}

/** Runs a command to its end. */
export async function run(program: Program, args: readonly string[]): Promise<Finished> {
  const running = new Running(program, args);
  try {
    return await running.finished();
  } finally {
    running.kill();
  }
}

/** A folder that is gone after its test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'commonwatt-errors-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Settings of whoever runs the tests are not those of the tests. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COMMONWATT_')));
}
