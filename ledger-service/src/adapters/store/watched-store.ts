import { ForwardingStore } from '../../usecases/forwarding-store.js';
import type { CommitBatch, LedgerStore } from '../../usecases/ports.js';

export interface CommitWatch {
  /** Real time in milliseconds, from any origin. */
  readonly monotonicMs: () => number;
  /** A batch was applied, or refused because of another writer. */
  readonly committed: (tookMs: number) => void;
  /** The store threw; the error goes on to whoever wanted the commit. */
  readonly failed?: (error: unknown) => void;
  readonly began?: () => void;
}

/** A store whose commits are timed. */
export class WatchedStore extends ForwardingStore {
  readonly #watch: CommitWatch;

  constructor(store: LedgerStore, watch: CommitWatch) {
    super(store);
    this.#watch = watch;
  }

  override async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    const { monotonicMs, committed, failed, began } = this.#watch;
    const beganMs = monotonicMs();
    began?.();
    try {
      const outcome = await super.commit(community, batch);
      committed(monotonicMs() - beganMs);
      return outcome;
    } catch (error) {
      failed?.(error);
      throw error;
    }
  }
}
