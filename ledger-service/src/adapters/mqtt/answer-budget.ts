/** How many answers a community signs for senders whom nobody enrolled: anybody can send bytes, and each costs a signature. */

/** Answers a second of real time, in the long run: a twentieth of a core. */
export const ANSWERS_A_SECOND = 1000;
/** And at once, after a quiet while: a firmware's author may try every bit of a frame. */
export const MAX_SAVED_ANSWERS = 10_000;

export class AnswerBudget {
  readonly #monotonicMs: () => number;
  #saved = MAX_SAVED_ANSWERS;
  #atMs: number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#atMs = monotonicMs();
  }

  /** Whole answers that may go out now. */
  available(): number {
    const nowMs = this.#monotonicMs();
    const earned = (Math.max(0, nowMs - this.#atMs) * ANSWERS_A_SECOND) / 1000;
    this.#saved = Math.min(MAX_SAVED_ANSWERS, this.#saved + earned);
    this.#atMs = nowMs;
    return Math.max(0, Math.floor(this.#saved));
  }

  /** Two batches may have been promised the same ones: the debt is paid before more go out. */
  spend(answers: number): void {
    this.#saved -= answers;
  }
}
