/** Looks at a ledger's process from outside while it works: what it holds in memory, and how many messages wait in it. */
import { existsSync, readFileSync } from 'node:fs';
import { residentBytesOf } from '../../bench/support/process-cpu.js';

const MEMORY_EVERY_MS = 250;
const QUEUE_EVERY_MS = 1_000;

export class ServiceWatch {
  readonly beforeBytes: number;
  maxBytes: number;
  maxQueued = 0;
  failure: Error | undefined;
  readonly #pid: number;
  readonly #url: string;
  readonly #memoryTimer: NodeJS.Timeout;
  readonly #queueTimer: NodeJS.Timeout;
  readonly #beganMs = performance.now();
  readonly #waitedBeforeMs: number;
  #waitedMs = 0;
  #lastedMs = 0;
  #looking: Promise<void> | undefined;

  constructor(pid: number, url: string) {
    this.#pid = pid;
    this.#url = url;
    this.beforeBytes = residentBytesOf(pid);
    this.maxBytes = this.beforeBytes;
    this.#waitedBeforeMs = waitedForCoreMs(pid);
    this.#memoryTimer = setInterval(() => {
      this.maxBytes = Math.max(this.maxBytes, this.nowBytes);
    }, MEMORY_EVERY_MS);
    this.#queueTimer = setInterval(() => {
      // One question at a time, however long its answer takes.
      this.#looking ??= this.#lookAtQueue()
        .catch((error: Error) => {
          this.failure ??= error;
        })
        .finally(() => {
          this.#looking = undefined;
        });
    }, QUEUE_EVERY_MS);
  }

  get nowBytes(): number {
    return residentBytesOf(this.#pid);
  }

  /** The part of the time (0 to 1) in which its main thread could have worked and other work had the cores; once stopped. */
  get deniedShare(): number {
    return this.#waitedMs / this.#lastedMs;
  }

  /** While the process is still there. */
  async stop(): Promise<void> {
    if (this.#lastedMs === 0) {
      this.#lastedMs = performance.now() - this.#beganMs;
      this.#waitedMs = waitedForCoreMs(this.#pid) - this.#waitedBeforeMs;
    }
    clearInterval(this.#memoryTimer);
    clearInterval(this.#queueTimer);
    await this.#looking;
  }

  async #lookAtQueue(): Promise<void> {
    const response = await fetch(`${this.#url}/metrics`);
    const text = await response.text();
    const found = /^commonwatt_ingest_queue (\d+)$/m.exec(text);
    if (response.status !== 200 || found === null) throw new Error(`GET /metrics: ${response.status} ${text}`);
    this.maxQueued = Math.max(this.maxQueued, Number(found[1]));
  }
}

/** Linux: proc(5), the second number is nanoseconds on a run queue. Elsewhere 0. */
function waitedForCoreMs(pid: number): number {
  const file = `/proc/${pid}/task/${pid}/schedstat`;
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split(' ')[1]) / 1e6 : 0;
}
