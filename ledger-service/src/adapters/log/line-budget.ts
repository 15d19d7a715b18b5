/** So many lines of one sort in so much time: a stranger's flood must not become one on the disk. */

const WINDOW_MS = 10_000;
export const MAX_LINES_A_WINDOW = 200;

export class LineBudget {
  readonly #monotonicMs: () => number;
  #beganMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #leftOut = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether a line may be written now. `leftOut`: lines of windows before that were not, to be told once. */
  take(): { readonly isWritten: boolean; readonly leftOut: number } {
    const nowMs = this.#monotonicMs();
    let leftOut = 0;
    if (nowMs - this.#beganMs >= WINDOW_MS) {
      leftOut = this.#leftOut;
      this.#beganMs = nowMs;
      this.#written = 0;
      this.#leftOut = 0;
    }
    const isWritten = this.#written < MAX_LINES_A_WINDOW;
    if (isWritten) this.#written += 1;
    else this.#leftOut += 1;
    return { isWritten, leftOut };
  }
}
