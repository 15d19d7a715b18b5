/** Whether the store takes what it is given, and soon: reading alone does not notice a disk that is full or slow. */
import { LedgerError } from '../../core/errors.js';

/** A commit that takes longer makes receipts late enough for somebody to look. */
const SLOW_MS = 2_000;
/** Trouble is told for so long after it was seen last: what failed is tried again much sooner. */
const REMEMBERED_MS = 60_000;

export class CommitHealth {
  readonly #monotonicMs: () => number;
  readonly #running = new Set<number>();
  #failure: { readonly atMs: number; readonly code: string } | undefined;
  #slow: { readonly atMs: number; readonly tookMs: number } | undefined;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Commits of different communities may run at the same time; each ends in `committed` or `failed`. */
  began(): void {
    this.#running.add(this.#monotonicMs());
  }

  committed(tookMs: number): void {
    this.#end();
    this.#failure = undefined;
    if (tookMs >= SLOW_MS) this.#slow = { atMs: this.#monotonicMs(), tookMs };
  }

  failed(error: unknown): void {
    this.#end();
    // Anything else is a mistake of whoever asked, not of the disk.
    if (!(error instanceof LedgerError) || error.code !== 'store') return;
    this.#failure = { atMs: this.#monotonicMs(), code: error.code };
  }

  /** For strangers too, so without paths: what is wrong, or nothing. */
  probe(): string | undefined {
    const nowMs = this.#monotonicMs();
    const isFresh = (seen: { readonly atMs: number } | undefined) =>
      seen !== undefined && nowMs - seen.atMs < REMEMBERED_MS;
    if (isFresh(this.#failure)) return 'the store takes nothing (store): see the log of the service';
    const [oldestMs = nowMs] = this.#running;
    if (nowMs - oldestMs >= SLOW_MS) return `the store is slow: a commit has taken ${seconds(nowMs - oldestMs)} so far`;
    if (isFresh(this.#slow)) return `the store is slow: a commit took ${seconds(this.#slow?.tookMs ?? 0)}`;
    return undefined;
  }

  #end(): void {
    const [oldest] = this.#running;
    if (oldest !== undefined) this.#running.delete(oldest);
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
