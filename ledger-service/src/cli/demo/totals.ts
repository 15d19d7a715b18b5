/** What the table shows of the books: received and delivered since the simulated day began, and every balance. */
import { parseVectorContent } from '../../core/records/index.js';
import { startKey } from '../../core/rows.js';
import type { LedgerStore } from '../../usecases/ports.js';
import { CommunityReader } from '../../usecases/queries/index.js';

const DAY_S = 86_400;
/** A day of five-minute intervals and some. */
const MAX_INTERVALS_A_DAY = 300;

export interface MemberTotals {
  readonly receivedMwh: number;
  readonly deliveredMwh: number;
  readonly amountMicro: bigint;
}

interface Shares {
  readonly version: number;
  readonly byMember: ReadonlyMap<string, { receivedMwh: number; deliveredMwh: number }>;
}

/** Reads only what is new since the last look. */
export class DayTotals {
  readonly #store: LedgerStore;
  readonly #community: string;
  readonly #intervals = new Map<number, Shares>();
  #dayS = 0;
  #size = -1;
  #totals: ReadonlyMap<string, MemberTotals> = new Map();

  constructor(store: LedgerStore, community: string) {
    this.#store = store;
    this.#community = community;
  }

  /** Entries of the log at the last look. */
  get size(): number {
    return Math.max(0, this.#size);
  }

  async look(nowMs: number): Promise<ReadonlyMap<string, MemberTotals>> {
    const size = await this.#store.size(this.#community);
    const dayS = Math.floor(nowMs / 1_000 / DAY_S) * DAY_S;
    if (size === this.#size && dayS === this.#dayS) return this.#totals;
    const reader = await CommunityReader.open(this.#store, this.#community);
    if (dayS !== this.#dayS) this.#intervals.clear();
    this.#dayS = dayS;
    await this.#readIntervals(reader);
    this.#totals = await this.#sum(reader);
    this.#size = size;
    return this.#totals;
  }

  async #readIntervals(reader: CommunityReader): Promise<void> {
    const range = { from: startKey(this.#dayS), to: startKey(this.#dayS + DAY_S), limit: MAX_INTERVALS_A_DAY };
    const changed = (await reader.scan('interval', range)).filter(
      ([key, row]) => row.settledIndex >= 0 && this.#intervals.get(Number(key))?.version !== row.version,
    );
    const contents = await reader.openings(changed.map(([, { settledIndex }]) => ({ index: settledIndex, part: 0 })));
    for (const [i, [key, { version }]] of changed.entries()) {
      const content = contents[i];
      if (content !== undefined) this.#intervals.set(Number(key), { version, byMember: sharesOf(content) });
    }
  }

  async #sum(reader: CommunityReader): Promise<ReadonlyMap<string, MemberTotals>> {
    const totals = new Map<string, MemberTotals>();
    for (const [member, { amountMicro }] of await reader.all('balance')) {
      totals.set(member, { receivedMwh: 0, deliveredMwh: 0, amountMicro });
    }
    for (const { byMember } of this.#intervals.values()) {
      for (const [member, { receivedMwh, deliveredMwh }] of byMember) {
        const before = totals.get(member) ?? { receivedMwh: 0, deliveredMwh: 0, amountMicro: 0n };
        totals.set(member, {
          ...before,
          receivedMwh: before.receivedMwh + receivedMwh,
          deliveredMwh: before.deliveredMwh + deliveredMwh,
        });
      }
    }
    return totals;
  }
}

function sharesOf(content: Uint8Array): Shares['byMember'] {
  const shares = new Map<string, { receivedMwh: number; deliveredMwh: number }>();
  for (const { member, receivedMwh, deliveredMwh } of parseVectorContent(content).lines) {
    const before = shares.get(member) ?? { receivedMwh: 0, deliveredMwh: 0 };
    shares.set(member, {
      receivedMwh: before.receivedMwh + receivedMwh,
      deliveredMwh: before.deliveredMwh + deliveredMwh,
    });
  }
  return shares;
}
