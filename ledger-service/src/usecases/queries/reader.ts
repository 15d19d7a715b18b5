/** Typed reads of one community's rows: what every query stands on. Nothing in this folder writes. */
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { LedgerError } from '../../core/errors.js';
import { decodeRow } from '../../core/row-codec.js';
import {
  type CommunityRow,
  formProblem,
  openingKey,
  type RowTable,
  type RowTypes,
  type RowValue,
  type SmallTable,
  type SourceTable,
} from '../../core/rows.js';
import type { LedgerStore, Pause, ScanRange } from '../ports.js';

/** Rows of one read: as many as a store hands out at once. */
const ROWS_A_READ = 10_000;
/** Reads of a small table before it is taken for something that is not one. */
const MAX_READS_OF_SMALL = 100;
/** Tries for a read that spans several rows to see one state of the log, while commits go on beside it. */
const MAX_STEADY_TRIES = 20;
const SALT_BYTES = 16;

export type Keyed<Row> = readonly [key: string, row: Row];

const NO_PAUSE: Pause = () => Promise.resolve();

export class CommunityReader {
  readonly id: string;
  readonly #store: LedgerStore;
  readonly #pause: Pause;

  private constructor(store: LedgerStore, id: string, pause: Pause) {
    this.#store = store;
    this.id = id;
    this.#pause = pause;
  }

  /** Throws 'not-found', naming the community with the most similar id. */
  static async open(store: LedgerStore, id: string, pause: Pause = NO_PAUSE): Promise<CommunityReader> {
    if ((await store.size(id)) > 0) return new CommunityReader(store, id, pause);
    throw await notFound('community', id, () => store.communities());
  }

  /** Called between the parts of a long read: a store that answers at once would keep everything else waiting. */
  pause(): Promise<void> {
    return this.#pause();
  }

  size(): Promise<number> {
    return this.#store.size(this.id);
  }

  async row<T extends RowTable>(table: T, key: string): Promise<RowTypes[T] | undefined> {
    return (await this.rows(table, [key]))[0];
  }

  /** In the order of the keys; undefined where there is no row. */
  async rows<T extends RowTable>(table: T, keys: readonly string[]): Promise<(RowTypes[T] | undefined)[]> {
    const values: (RowTypes[T] | undefined)[] = [];
    for (let at = 0; at < keys.length; at += ROWS_A_READ) {
      const addresses = keys.slice(at, at + ROWS_A_READ).map((key) => ({ table, key }));
      for (const value of await this.#store.read(this.id, addresses)) {
        values.push(value === undefined ? undefined : decodeRow(table, value));
      }
    }
    return values;
  }

  async communityRow(): Promise<CommunityRow> {
    const row = await this.row('community', '');
    if (row === undefined) throw new LedgerError('invariant', `${this.id}: no row of the community; run the rebuild`);
    const problem = formProblem(this.id, row);
    if (problem !== undefined) throw new LedgerError('invariant', problem);
    return row;
  }

  /** A whole small table, in the order of its keys' bytes. */
  async all<T extends SmallTable>(table: T): Promise<Keyed<RowTypes[T]>[]> {
    const rows: Keyed<RowTypes[T]>[] = [];
    let from = '';
    for (let reads = 0; reads < MAX_READS_OF_SMALL; reads++) {
      const part = await this.scan(table, { from, limit: ROWS_A_READ });
      rows.push(...part);
      const last = part[part.length - 1];
      if (last === undefined || part.length < ROWS_A_READ) return rows;
      from = keyAfter(last[0]);
    }
    throw new LedgerError('invariant', `${this.id}: ${table} has more than ${rows.length} rows`);
  }

  async scan<T extends RowTable>(table: T, range: ScanRange): Promise<Keyed<RowTypes[T]>[]> {
    const found = await this.#store.scan(this.id, table, range);
    return found.map(({ key, value }) => [key, decodeRow(table, value)] as const);
  }

  /** Rows of a source table as they are stored. */
  async sources(table: SourceTable, range: ScanRange): Promise<readonly { key: string; value: RowValue }[]> {
    return this.#store.scan(this.id, table, range);
  }

  async source(table: SourceTable, key: string): Promise<Uint8Array | undefined> {
    const value = (await this.#store.read(this.id, [{ table, key }]))[0];
    return value === undefined ? undefined : asBytes(table, value);
  }

  /** The contents of private entries; undefined where one was erased, or never was. */
  async openings(parts: readonly { index: number; part: number }[]): Promise<(Uint8Array | undefined)[]> {
    const addresses = parts.map(({ index, part }) => ({ table: 'opening' as const, key: openingKey(index, part) }));
    const values = await this.#store.read(this.id, addresses);
    return values.map((value) => (value === undefined ? undefined : asBytes('opening', value).subarray(SALT_BYTES)));
  }

  /** Runs a read until no commit has landed while it ran. Throws 'conflict' when that never happens. */
  async steady<Result>(read: (size: number) => Promise<Result>): Promise<{ size: number; result: Result }> {
    for (let tries = 0; tries < MAX_STEADY_TRIES; tries++) {
      const size = await this.size();
      const result = await read(size);
      if ((await this.size()) === size) return { size, result };
    }
    throw new LedgerError('conflict', `${this.id}: the log grew during each of ${MAX_STEADY_TRIES} reads; ask again`);
  }
}

/** The smallest key that is larger. */
export function keyAfter(key: string): string {
  return `${key}\u0000`;
}

export function asBytes(table: SourceTable, value: RowValue): Uint8Array {
  if (typeof value !== 'string') return value;
  throw new LedgerError('invariant', `a row of ${table}: expected bytes, got text`);
}

/** A 'not-found' that helps: with the nearest of the names that exist. */
export async function notFound(
  what: string,
  id: string,
  names: () => Promise<readonly string[]> | readonly string[],
): Promise<LedgerError> {
  const nearest = nearestName(id, await names());
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return new LedgerError('not-found', `no ${what} ${JSON.stringify(id.slice(0, 80))}${hint}`);
}
