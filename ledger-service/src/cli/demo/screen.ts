import type { OutStream } from '../output.js';

const PLAIN_EVERY_MS = 10_000;
const REDRAW_EVERY_MS = 500;
const FALLBACK = { columns: 80, rows: 24 };
/** Alternate screen and hidden cursor, and back. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[H\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * A page that is drawn again and again. On a terminal in place, line by line over what was there, so that nothing flickers,
 * on a screen of its own that leaves no trace; elsewhere as a block of plain lines now and then.
 */
export class Screen {
  readonly #stream: OutStream;
  readonly #render: (size: ScreenSize) => readonly string[];
  readonly #restore = () => this.#leave();
  readonly #redraw = () => this.draw();
  #timer: NodeJS.Timeout | undefined;
  #isEntered = false;

  constructor(stream: OutStream, render: (size: ScreenSize) => readonly string[]) {
    this.#stream = stream;
    this.#render = render;
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  start(): void {
    if (this.isTerminal) {
      this.#stream.write(ENTER);
      this.#isEntered = true;
      process.once('exit', this.#restore);
      this.#stream.on('resize', this.#redraw);
    }
    this.#timer = setInterval(() => this.draw(), this.isTerminal ? REDRAW_EVERY_MS : PLAIN_EVERY_MS);
    this.draw();
  }

  draw(): void {
    const { columns = FALLBACK.columns, rows = FALLBACK.rows } = this.#stream;
    if (!this.isTerminal) {
      this.#stream.write(`${this.#render({ columns: 100, rows: 1_000 }).join('\n')}\n`);
      return;
    }
    if (!this.#isEntered) return;
    // The last column and line stay free: writing there makes some terminals scroll.
    const lines = this.#render({ columns: Math.max(1, columns - 1), rows: Math.max(1, rows - 1) });
    this.#stream.write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`);
  }

  /** Gives the terminal back and leaves the last page on it. */
  stop(): void {
    clearInterval(this.#timer);
    if (!this.isTerminal) return;
    this.#stream.removeListener('resize', this.#redraw);
    process.removeListener('exit', this.#restore);
    if (!this.#isEntered) return;
    this.#leave();
    const { columns = FALLBACK.columns, rows = FALLBACK.rows } = this.#stream;
    this.#stream.write(`${this.#render({ columns, rows }).join('\n')}\n`);
  }

  #leave(): void {
    if (this.#isEntered) this.#stream.write(LEAVE);
    this.#isEntered = false;
  }
}
