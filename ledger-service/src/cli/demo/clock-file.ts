import { existsSync, readFileSync } from 'node:fs';
import { SimulatedClock } from '../../adapters/system/clock.js';
import { LedgerError } from '../../core/errors.js';
import { replaceFile } from '../data-folder.js';

const STORE_EVERY_MS = 1_000;
/** What is stored lies ahead by this much real time, so that after a sudden end no instant comes twice. */
const AHEAD_MS = 2_000;
/** 2100-01-01: a clock beyond it is a damaged file. */
const LATEST_MS = 4_102_444_800_000;

/**
 * The street's clock, in a file between two runs: base is stored every second and never goes back. An orderly end stores
 * the instant of that end; a sudden one leaves an instant that was never reached.
 */
export class KeptClock {
  readonly clock: SimulatedClock;
  readonly #file: string;
  #timer: NodeJS.Timeout | undefined;

  /** Throws 'bad-file' for a damaged file. `firstMs` is where time begins when there is none. */
  constructor(file: string, { firstMs, speed }: { firstMs: number; speed: number }) {
    this.#file = file;
    const baseMs = existsSync(file) ? readBase(file) : firstMs;
    this.clock = new SimulatedClock({ baseMs, startNs: process.hrtime.bigint(), speed });
  }

  /** `onTrouble`: an instant could not be stored; it is tried again a second later, and the street runs on. */
  start(onTrouble: (error: unknown) => void = () => undefined): void {
    this.#store(AHEAD_MS);
    let isTold = false;
    this.#timer = setInterval(() => {
      try {
        this.#store(AHEAD_MS);
        isTold = false;
      } catch (error) {
        if (!isTold) onTrouble(error);
        isTold = true;
      }
    }, STORE_EVERY_MS);
  }

  /** Time stands from here on, as far as the next start knows. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#store(0);
  }

  #store(aheadMs: number): void {
    const baseMs = this.clock.nowMs() + Math.ceil(aheadMs * this.clock.time.speed);
    replaceFile(this.#file, `${JSON.stringify({ base_ms: baseMs })}\n`);
  }
}

function readBase(file: string): number {
  let base: unknown;
  try {
    base = (JSON.parse(readFileSync(file, 'utf8')) as { base_ms?: unknown }).base_ms;
  } catch (cause) {
    throw new LedgerError('bad-file', `${file} is damaged: begin anew with --fresh`, { cause });
  }
  if (typeof base === 'number' && Number.isSafeInteger(base) && base >= 0 && base <= LATEST_MS) return base;
  throw new LedgerError(
    'bad-file',
    `${file}: expected base_ms as whole milliseconds, got ${String(base).slice(0, 40)}`,
  );
}
