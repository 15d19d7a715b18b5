import { encodeFramePayload } from '@commonwatt/firmware-protocol';
import type { Change, Journal, SignedMessage } from './journal.js';
import type { Sample } from './reading.js';
import { draftFrames, type FrameDraft, type FramePlace, toPayload } from './seal.js';

/**
 * Makes frames of the waiting samples (PROTOCOL 7.2). Each payload is durable under its number before it is signed, and the samples in
 * it leave in the same commit: a crash at any point leaves every reading in exactly one place.
 */
export class Sealer {
  readonly #journal: Journal;
  readonly #mono: () => FramePlace['mono'];
  #newest: SignedMessage | undefined;
  #newestIsAnswered = false;

  constructor(journal: Journal, mono: () => FramePlace['mono']) {
    this.#journal = journal;
    this.#mono = mono;
    this.forgetNewest(journal.newestFrame());
  }

  /** The frame that the next one names as previous; undefined at the beginning of an epoch. It stays in the outbox. */
  get newest(): SignedMessage | undefined {
    return this.#newest;
  }

  /** The receipt of a frame has been checked: it leaves with a later commit, the newest one only after its successor. */
  answered(frame: SignedMessage): void {
    if (frame.id === this.#newest?.id) this.#newestIsAnswered = true;
    else this.#journal.defer({ answered: frame });
  }

  /** Whether it is the newest frame, kept although its receipt is here. */
  isKept(message: { readonly id: number }): boolean {
    return this.#newestIsAnswered && message.id === this.#newest?.id;
  }

  /** The epoch ends: its newest frame need not stay once it is answered. */
  releaseNewest(): void {
    if (this.#newest !== undefined && this.#newestIsAnswered) this.#journal.defer({ answered: this.#newest });
  }

  /** After an epoch was opened, or on the way back from a crash. */
  forgetNewest(newest?: SignedMessage): void {
    this.#newest = newest?.epoch === this.#journal.state.epoch ? newest : undefined;
    this.#newestIsAnswered = false;
  }

  /** Seals what waits and the fresh samples; `change` goes into the first commit. Throws what a commit throws. */
  seal(fresh: readonly Sample[], change: Change = {}): SignedMessage[] {
    const drafts = draftFrames<Row>([...this.#journal.waiting, ...fresh]);
    if (drafts.length === 0) {
      if (Object.keys(change).length > 0) this.#journal.commit(change);
      return [];
    }
    const rows = new Rows(drafts);
    return drafts.map(({ samples }, at) => this.#sealOne(samples, at === 0 ? change : {}, rows));
  }

  #sealOne(samples: readonly Row[], change: Change, rows: Rows): SignedMessage {
    const { state } = this.#journal;
    const previous = this.#newest?.hash ?? state.opening;
    const place = {
      epoch: state.epoch,
      number: state.next,
      previous,
      mono: this.#mono(),
      lost: state.lostReadings - state.lostTold,
    };
    const payload = encodeFramePayload(toPayload({ samples }, place));
    if (this.#newest !== undefined && this.#newestIsAnswered) this.#journal.defer({ answered: this.#newest });
    const { remove, keep } = rows.take(samples);
    const { message, sampleIds } = this.#journal.commitAndSign(
      {
        ...change,
        state: { ...change.state, next: place.number + 1, lostTold: state.lostReadings },
        removeSamples: remove,
        addSamples: keep,
      },
      {
        kind: 'frame',
        epoch: place.epoch,
        number: place.number,
        payload,
        samples: samples.length,
        attempt: samples[0]!.attempt,
      },
    );
    rows.kept(keep, sampleIds);
    this.#newest = message;
    this.#newestIsAnswered = false;
    return message;
  }
}

/** A sample, or the part of one whose channels do not fit into one frame; `id` once it has a row in the outbox. */
type Row = Sample & { readonly id?: number };

/** Which samples have a row of the outbox, so that each commit moves only what its frame takes. */
class Rows {
  readonly #idOf = new Map<Row, number>();
  readonly #partsOf = new Map<number, Set<Row>>();
  /** Samples of this round that no commit has stored yet. */
  readonly #unstored = new Set<Row>();

  constructor(drafts: readonly FrameDraft<Row>[]) {
    for (const row of drafts.flatMap(({ samples }) => samples)) {
      if (row.id === undefined) this.#unstored.add(row);
      else this.#put(row, row.id);
    }
  }

  /** Takes the samples of a frame: rows to remove, and what must be stored so that nothing is lost before its own frame. */
  take(samples: readonly Row[]): { remove: number[]; keep: Row[] } {
    const remove: number[] = [];
    for (const row of samples) {
      this.#unstored.delete(row);
      const id = this.#idOf.get(row);
      if (id === undefined) continue;
      remove.push(id);
      this.#idOf.delete(row);
      const others = [...(this.#partsOf.get(id) ?? [])].filter((part) => part !== row);
      for (const part of others) this.#unstored.add(part);
    }
    return { remove, keep: [...this.#unstored] };
  }

  kept(rows: readonly Row[], ids: readonly number[]): void {
    this.#unstored.clear();
    for (const [at, row] of rows.entries()) this.#put(row, ids[at]!);
  }

  #put(row: Row, id: number): void {
    this.#idOf.set(row, id);
    const parts = this.#partsOf.get(id);
    if (parts === undefined) this.#partsOf.set(id, new Set([row]));
    else parts.add(row);
  }
}
