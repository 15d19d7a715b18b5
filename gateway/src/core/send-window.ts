/** After a connection: a ledger that was away has everybody back at the same time. */
export const FIRST_WINDOW = 2;
/** So many outrun any link; more would only fill the queues of the broker. */
export const MAX_WINDOW = 32;
/** An answer within this time, in real milliseconds, comes from a ledger that waits for more. */
const QUICK_MS = 250;
/** One after this time stood in a queue, behind the messages of others. */
const SLOW_MS = 500;

/**
 * How many messages a box has on the way at once. A broker passes on in the order in which messages came, so what a street
 * has on the way together is what a fresh reading waits behind: 1,000 boxes with 64 each would be half a minute. The window
 * grows by one whenever as many answers as it is wide came quickly, and halves when one came slowly or not at all: a box by
 * itself soon uses all that the link carries, and a street that returns after an outage has one or two each on the way.
 */
export class SendWindow {
  #size = FIRST_WINDOW;
  /** Quick answers since the size changed. */
  #quick = 0;
  #changedAtMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  restart(): void {
    this.#size = FIRST_WINDOW;
    this.#quick = 0;
    this.#changedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The answer to a message came. Both in real milliseconds, of when it was sent last and of now. */
  answered(sentAtMs: number, nowMs: number): void {
    const tookMs = nowMs - sentAtMs;
    if (tookMs > SLOW_MS) this.overdue(sentAtMs, nowMs);
    if (tookMs > QUICK_MS) return;
    this.#quick += 1;
    if (this.#quick < this.#size || this.#size >= MAX_WINDOW) return;
    this.#change(this.#size + 1, nowMs);
  }

  /** No answer came in time. What was sent before the window changed says nothing about the size it has now. */
  overdue(sentAtMs: number, nowMs: number): void {
    if (sentAtMs < this.#changedAtMs) return;
    this.#change(Math.max(1, Math.floor(this.#size / 2)), nowMs);
  }

  #change(size: number, nowMs: number): void {
    this.#size = size;
    this.#quick = 0;
    this.#changedAtMs = nowMs;
  }
}
