/** The bench's side of the generator process. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onInterrupt } from '../support/clean-up.js';
import type { GeneratorAnswer, GeneratorRequest, GeneratorResults } from './messages.js';

/** Long frames of long runs; whoever is silent for longer is broken. */
const ANSWER_WITHIN_MS = 600_000;

export class GeneratorProcess {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('./generator.js', import.meta.url)), { serialization: 'advanced' });
    this.#child.once(
      'exit',
      onInterrupt(() => this.#child.kill('SIGKILL')),
    );
  }

  /** Throws what the generator says went wrong, or that it is gone. */
  ask<D extends keyof GeneratorResults>(request: Extract<GeneratorRequest, { do: D }>): Promise<GeneratorResults[D]> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer);
        this.#child.off('exit', onExit);
        this.#child.off('message', onMessage);
        end();
      };
      const onExit = (code: number | null) =>
        settle(() => reject(new Error(`the generator ended with ${code} before ${request.do} was done`)));
      const onMessage = (answer: GeneratorAnswer) =>
        settle(() => {
          if ('failed' in answer) reject(new Error(`generator: ${request.do}: ${answer.failed}`));
          else resolve(answer.result as GeneratorResults[D]);
        });
      const timer = setTimeout(
        () => settle(() => reject(new Error(`generator: ${request.do} took too long`))),
        ANSWER_WITHIN_MS,
      );
      this.#child.on('exit', onExit);
      this.#child.on('message', onMessage);
      this.#child.send(request);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await gone;
  }
}
