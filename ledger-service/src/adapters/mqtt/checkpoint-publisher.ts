import { bytesEqual } from '@commonwatt/firmware-protocol';

/** While there is traffic a checkpoint goes out at most this often. */
export const MIN_EVERY_MS = 1_000;
/** And at least this often without any, so that a silent ledger and a dead one look different. */
export const MAX_EVERY_MS = 600_000;

export interface CheckpointPublisherDeps {
  readonly monotonicMs: () => number;
  /** The newest signed note. */
  readonly newest: () => Promise<Uint8Array>;
  readonly publish: (note: Uint8Array) => Promise<void>;
}

/** Decides when one community's checkpoint is published (PROTOCOL 4). */
export class CheckpointPublisher {
  readonly #deps: CheckpointPublisherDeps;
  #published: Uint8Array | undefined;
  #publishedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: CheckpointPublisherDeps) {
    this.#deps = deps;
  }

  /** `last`: the final one before the ledger leaves, which does not wait for its second. */
  async publishIfDue(last = false): Promise<void> {
    const sinceMs = this.#deps.monotonicMs() - this.#publishedMs;
    if (sinceMs < MIN_EVERY_MS && !last) return;
    const note = await this.#deps.newest();
    const changed = this.#published === undefined || !bytesEqual(note, this.#published);
    if (!changed && sinceMs < MAX_EVERY_MS) return;
    await this.#deps.publish(note);
    this.#published = note;
    this.#publishedMs = this.#deps.monotonicMs();
  }
}
