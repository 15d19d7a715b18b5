import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./store-child.mjs', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist/adapters/store/sqlite-store.js', import.meta.url));

/** The child runs what was built: without it these tests are skipped, saying so. */
export const isBuilt = existsSync(BUILT);
export const NOT_BUILT = isBuilt ? '' : ' (skipped: run npm run build first)';

export type ChildMode = 'hold' | 'commit' | 'exit' | 'throw';

/** A process with a store; its lines are kept and can be waited for. */
export class StoreProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #wake: () => void = () => {};

  constructor(file: string, mode: ChildMode) {
    this.#child = spawn(process.execPath, [SCRIPT, file, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => {
        resolve();
        this.#wake();
      });
    });
  }

  /** Resolves at the `count`th line that starts so; rejects when the process ends before. */
  async waitForLine(start: string, count = 1): Promise<string> {
    for (;;) {
      const found = this.lines.filter((line) => line.startsWith(start))[count - 1];
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`the process ended without "${start}": ${this.lines.join(' | ')}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** kill -9; resolves when it is gone and all its lines are here. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Resolves when it has ended by itself. */
  async end(): Promise<void> {
    await this.#ended;
  }
}
