/** A store that lets rows go along with a commit: they are durable together with what they belong to, or neither is. */
import { ForwardingStore } from './forwarding-store.js';
import type { CommitBatch, RowWrite } from './ports.js';

/** The rows that go along with this batch, when it is the one that was waited for; undefined when it is another. */
export type Companion = (batch: CommitBatch) => readonly RowWrite[] | undefined;

export class AccompaniedStore extends ForwardingStore {
  /** By community. As many as there are writes under way. */
  readonly #waiting = new Map<string, Set<Companion>>();

  /** While `work` runs, each commit of the community is shown to the companion. */
  async accompany<T>(community: string, companion: Companion, work: () => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(community) ?? new Set();
    this.#waiting.set(community, waiting);
    waiting.add(companion);
    try {
      return await work();
    } finally {
      waiting.delete(companion);
      if (waiting.size === 0) this.#waiting.delete(community);
    }
  }

  override commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    const waiting = this.#waiting.get(community);
    if (waiting === undefined) return super.commit(community, batch);
    const along = [...waiting].flatMap((companion) => companion(batch) ?? []);
    return super.commit(community, { ...batch, writes: [...batch.writes, ...along] });
  }
}
