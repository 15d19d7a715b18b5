/** Lets core's pure functions over rows run on a store: what they miss is loaded, and they run again. */
import { LedgerError } from '../../core/errors.js';
import { type RowTable, type RowTypes, SMALL_TABLES, type SmallTable } from '../../core/rows.js';
import { NeedRows, type Rows, WorkingSet } from '../../core/working-set.js';
import type { CommunityReader } from './reader.js';

/** Each round loads at least one row; a computation over one month of one member needs a few hundred. */
const MAX_ROUNDS = 100_000;

export class LoadedRows {
  readonly #reader: CommunityReader;
  readonly #rows = new WorkingSet();

  private constructor(reader: CommunityReader) {
    this.#reader = reader;
  }

  /** Small tables that are not named count as empty. */
  static async of(reader: CommunityReader, tables: readonly SmallTable[]): Promise<LoadedRows> {
    const loaded = new LoadedRows(reader);
    for (const table of SMALL_TABLES) {
      loaded.#rows.loadWhole(table, tables.includes(table) ? await reader.all(table) : []);
    }
    return loaded;
  }

  /** A row that was read already. */
  keep<T extends RowTable>(table: T, key: string, row: RowTypes[T]): void {
    this.#rows.loadRow(table, key, row);
  }

  async run<Result>(compute: (rows: Rows) => Result): Promise<Result> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        return compute(this.#rows);
      } catch (error) {
        if (!(error instanceof NeedRows)) throw error;
        await this.#load(error);
      }
    }
    throw new LedgerError('invariant', `${this.#reader.id}: a computation asks for ever more rows`);
  }

  async #load(need: NeedRows): Promise<void> {
    for (const { table, key } of need.rows) this.#rows.loadRow(table, key, await this.#reader.row(table, key));
  }
}
