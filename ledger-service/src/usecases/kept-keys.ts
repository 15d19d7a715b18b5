/** What was written under which idempotency key: kept beside the log, bounded in number and in age. */
import { toHex, utf8Encode } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../core/errors.js';
import type { Clock, Crypto, LedgerStore, RowWrite } from './ports.js';

/** Keys of one community; the oldest go first. A keyed write is an enrolment or a rule: a co-op's work of years. */
export const MAX_KEPT_KEYS = 4096;
/** Far longer than anybody tries again. */
export const MAX_KEY_AGE_S = 7 * 86_400;

const TABLE = 'idempotency';

/** What a key stands for. */
export interface KeptWrite {
  /** SHA-256, lower-case hex, of what was asked. */
  readonly request: string;
  readonly indices: readonly number[];
  /** UTC seconds of the real clock. */
  readonly atS: number;
}

export class KeptKeys {
  readonly #store: LedgerStore;
  readonly #crypto: Crypto;
  readonly #clock: Clock;
  /** By community: when each key was kept, oldest first. Tells what has to go; whether a key is there, the store says. */
  readonly #ages = new Map<string, Map<string, number>>();

  constructor(input: { readonly store: LedgerStore; readonly crypto: Crypto; readonly clock: Clock }) {
    this.#store = input.store;
    this.#crypto = input.crypto;
    this.#clock = input.clock;
  }

  /** The row's name: a caller's own text is not kept, whatever it may say. */
  nameOf(key: string): string {
    return toHex(this.#crypto.hasher.sha256(utf8Encode(key)));
  }

  /** Undefined for a key that was never kept, or whose time is over. */
  async recall(community: string, name: string): Promise<KeptWrite | undefined> {
    const [row] = await this.#store.read(community, [{ table: TABLE, key: name }]);
    const kept = row === undefined ? undefined : parseKept(row);
    return kept === undefined || this.#isOver(kept.atS) ? undefined : kept;
  }

  /** The rows that keep this write, and that let go what is over or too much. `ages` has to be loaded. */
  async planFor(community: string, name: string): Promise<(write: Omit<KeptWrite, 'atS'>) => readonly RowWrite[]> {
    const ages = await this.#agesOf(community);
    return ({ request, indices }) => {
      const gone = this.#toLetGo(ages, name).map((key) => ({ table: TABLE, key, value: undefined }) as const);
      const value = JSON.stringify({ request, indices, atS: this.#nowS() } satisfies KeptWrite);
      return [...gone, { table: TABLE, key: name, value }];
    };
  }

  /** To be called once the rows of the plan are durable. */
  async noteKept(community: string, name: string): Promise<void> {
    const ages = await this.#agesOf(community);
    for (const key of this.#toLetGo(ages, name)) ages.delete(key);
    ages.delete(name);
    ages.set(name, this.#nowS());
  }

  #toLetGo(ages: ReadonlyMap<string, number>, name: string): string[] {
    const others = [...ages.keys()].filter((key) => key !== name);
    const excess = Math.max(0, others.length - (MAX_KEPT_KEYS - 1));
    return others.filter((key, i) => i < excess || this.#isOver(ages.get(key) ?? 0));
  }

  async #agesOf(community: string): Promise<Map<string, number>> {
    const known = this.#ages.get(community);
    if (known !== undefined) return known;
    const rows = await this.#store.scan(community, TABLE, { limit: 2 * MAX_KEPT_KEYS });
    const aged = rows.map(({ key, value }) => [key, parseKept(value).atS] as const).sort(([, a], [, b]) => a - b);
    const ages = this.#ages.get(community) ?? new Map(aged);
    this.#ages.set(community, ages);
    return ages;
  }

  #isOver(atS: number): boolean {
    return this.#nowS() - atS > MAX_KEY_AGE_S;
  }

  #nowS(): number {
    return Math.floor(this.#clock.nowMs() / 1000);
  }
}

function parseKept(row: string | Uint8Array): KeptWrite {
  if (typeof row !== 'string') throw new LedgerError('invariant', 'a row of idempotency: expected text, got bytes');
  try {
    return JSON.parse(row) as KeptWrite;
  } catch (cause) {
    throw new LedgerError('invariant', 'a row of idempotency is not JSON: the store is damaged', { cause });
  }
}
