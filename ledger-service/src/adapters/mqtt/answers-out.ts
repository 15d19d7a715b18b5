/** Answers that the broker has not taken over yet: above it the next batch waits. A client that reads slowly holds a few dozen. */
export const MAX_ANSWERS_OUT = 4_096;
/** Longest that anybody waits for answers to go out: a gateway that missed one asks again. */
const WAIT_MS = 5_000;

/** Counts the answers on their way out, so that a broker that is slower than the ledger slows it down. */
export class AnswersOut {
  #count = 0;
  readonly #waiting = new Set<{ readonly limit: number; readonly goOn: () => void }>();

  get count(): number {
    return this.#count;
  }

  /** `sent` settles when the answer is out, or lost; it must not reject. */
  add(sent: Promise<void>): void {
    this.#count += 1;
    void sent.then(() => {
      this.#count -= 1;
      for (const one of this.#waiting) if (this.#count <= one.limit) one.goOn();
    });
  }

  /** Resolves when no more than so many are on their way, or the time is up. */
  async downTo(limit: number): Promise<void> {
    if (this.#count <= limit) return;
    await new Promise<void>((resolve) => {
      const one = {
        limit,
        goOn: () => {
          clearTimeout(timer);
          this.#waiting.delete(one);
          resolve();
        },
      };
      const timer = setTimeout(one.goOn, WAIT_MS);
      this.#waiting.add(one);
    });
  }
}
