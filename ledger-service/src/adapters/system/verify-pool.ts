/**
 * Ed25519 verdicts on other threads: they are more than half of what taking in a frame costs. Small batches stay on the
 * calling thread, since handing them over would cost more; threads start with the first large one and keep nobody alive.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Verifier } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import type { SignatureCheck } from '../../usecases/ports.js';
import { packChecks } from './packed-checks.js';

/** Below this many signatures a batch is not worth a message to another thread. */
export const MIN_SHARED_CHECKS = 16;
const MAX_THREADS = 4;

interface Job {
  readonly id: number;
  readonly resolve: (verdicts: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** One thread, with the jobs that it has not answered yet. */
class VerifyThread {
  readonly #worker = new Worker(new URL('./verify-worker.js', import.meta.url));
  readonly #jobs = new Map<number, Job>();
  #next = 0;
  isDead = false;

  constructor() {
    this.#worker.on('message', ({ id, verdicts }: { id: number; verdicts: Uint8Array }) => {
      this.#jobs.get(id)?.resolve(verdicts);
      this.#jobs.delete(id);
      if (this.#jobs.size === 0) this.#worker.unref();
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('it ended')));
    this.#worker.unref();
  }

  verify(checks: readonly SignatureCheck[]): Promise<Uint8Array> {
    const id = this.#next++;
    const packed = packChecks(checks);
    // A verdict that is waited for keeps the process alive.
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#jobs.set(id, { id, resolve, reject });
      this.#worker.postMessage({ id, packed }, [packed.buffer]);
    });
  }

  #fail(cause: unknown): void {
    this.isDead = true;
    for (const { reject } of this.#jobs.values()) {
      reject(new LedgerError('child', 'the thread that verifies signatures failed', { cause }));
    }
    this.#jobs.clear();
  }
}

/** `verifyMany` of the Crypto port over `verifier`'s rule; the threads follow the same one. */
export function verifyOnThreads(
  verifier: Verifier,
): (checks: readonly SignatureCheck[]) => Promise<readonly boolean[]> {
  const threads: VerifyThread[] = [];
  const count = Math.min(availableParallelism(), MAX_THREADS);
  const threadAt = (i: number): VerifyThread => {
    if (threads[i] === undefined || threads[i].isDead) threads[i] = new VerifyThread();
    return threads[i];
  };
  return async (checks) => {
    if (checks.length < MIN_SHARED_CHECKS || count < 2) {
      return checks.map(({ publicKey, message, signature }) => verifier.verify(publicKey, message, signature));
    }
    const share = Math.ceil(checks.length / count);
    const parts: Promise<Uint8Array>[] = [];
    for (let i = 0; i * share < checks.length; i++) {
      parts.push(threadAt(i).verify(checks.slice(i * share, (i + 1) * share)));
    }
    const verdicts = await Promise.all(parts);
    return verdicts.flatMap((part) => Array.from(part, (verdict) => verdict === 1));
  };
}
