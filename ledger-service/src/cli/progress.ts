import type { OutStream } from './output.js';

/** Plain lines come at most this often. */
const LINE_EVERY_MS = 5_000;
const REDRAW_EVERY_MS = 100;
const MAX_BAR = 30;

/** How far long work has come: a bar that is redrawn in place on a terminal, a plain line now and then elsewhere. */
export class Progress {
  readonly #stream: OutStream;
  readonly #label: string;
  readonly #total: number;
  readonly #monotonicMs: () => number;
  readonly #startedMs: number;
  #shownMs: number;
  #drawn = false;

  constructor(input: { stream: OutStream; label: string; total: number; monotonicMs: () => number }) {
    this.#stream = input.stream;
    this.#label = input.label;
    this.#total = Math.max(1, input.total);
    this.#monotonicMs = input.monotonicMs;
    this.#startedMs = input.monotonicMs();
    this.#shownMs = this.#startedMs;
  }

  /** `done` of the total, and something to say beside it. */
  update(done: number, beside = ''): void {
    const nowMs = this.#monotonicMs();
    const isTerminal = this.#stream.isTTY === true;
    if (nowMs - this.#shownMs < (isTerminal ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return;
    this.#shownMs = nowMs;
    if (isTerminal) this.#draw(done, beside, nowMs);
    else this.#stream.write(`${this.#label}: ${this.#percent(done)} %${beside === '' ? '' : `, ${beside}`}\n`);
  }

  /** Takes the bar away again. */
  finish(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[2K');
    this.#drawn = false;
  }

  #draw(done: number, beside: string, nowMs: number): void {
    this.#drawn = true;
    const columns = this.#stream.columns ?? 80;
    const width = Math.max(5, Math.min(MAX_BAR, columns - this.#label.length - beside.length - 20));
    const full = Math.round((Math.min(done, this.#total) / this.#total) * width);
    const bar = `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
    const line = `${this.#label} ${bar} ${this.#percent(done).padStart(3)} % ${this.#left(done, nowMs)} ${beside}`;
    this.#stream.write(`\r\u001b[2K${line.slice(0, columns - 1).trimEnd()}`);
  }

  #percent(done: number): string {
    return `${Math.floor((Math.min(done, this.#total) / this.#total) * 100)}`;
  }

  #left(done: number, nowMs: number): string {
    if (done === 0) return '';
    const seconds = Math.ceil(((nowMs - this.#startedMs) / done) * (this.#total - done) * 0.001);
    return seconds < 90 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
  }
}
