import { ForwardingStore } from '../../usecases/forwarding-store.js';
import type { CommitBatch, LedgerStore } from '../../usecases/ports.js';

export interface CommitWatch {
  /** Real time in milliseconds, from any origin. */
  readonly monotonicMs: () => number;
  /** A batch was applied, or refused because of another writer. What failed is not told. */
  readonly committed: (tookMs: number) => void;
}

/** A store whose commits are timed. */
export class WatchedStore extends ForwardingStore {
  readonly #watch: CommitWatch;

  constructor(store: LedgerStore, watch: CommitWatch) {
    super(store);
    this.#watch = watch;
  }

  override async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    const { monotonicMs, committed } = this.#watch;
    const beganMs = monotonicMs();
    const outcome = await super.commit(community, batch);
    committed(monotonicMs() - beganMs);
    return outcome;
  }
}
