/** Frames a commit takes: above it the disk no longer gets cheaper. */
export const MAX_BATCH_FRAMES = 512;
/** Below it a slow disk would get too dear. */
export const MIN_BATCH_FRAMES = 128;
/** From when a batch was taken until it was kept: a fresh frame waits so long, and for the batches before it. */
const SLOW_MS = 400;
const QUICK_MS = 150;

/** How many frames go into one commit: as many as the machine is quick with, so that a busy one keeps fresh frames waiting no longer. */
export class BatchSize {
  #frames = MAX_BATCH_FRAMES;

  get frames(): number {
    return this.#frames;
  }

  note(tookMs: number): void {
    if (tookMs > SLOW_MS) this.#frames = Math.max(MIN_BATCH_FRAMES, this.#frames / 2);
    else if (tookMs < QUICK_MS) this.#frames = Math.min(MAX_BATCH_FRAMES, this.#frames * 2);
  }
}
