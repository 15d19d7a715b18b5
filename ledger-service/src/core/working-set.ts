/**
 * The rows one decision works on. The base holds what the store holds; changes lie above it until they are committed
 * or thrown away. A decision that touches a row nobody loaded throws NeedRows: the use case loads it and decides again,
 * so core stays synchronous and pure over any store.
 */
import { LedgerError } from './errors.js';
import { MeterDay } from './intervals/meter-day.js';
import { type RowTable, type RowTypes, SMALL_TABLES, type SmallTable } from './rows.js';

export interface RowRef {
  readonly table: RowTable;
  readonly key: string;
}

export interface RowChange extends RowRef {
  /** undefined: deleted. */
  readonly row: RowTypes[RowTable] | undefined;
}

/** Thrown by `get` for rows that are not loaded; carries what to load. Not an error of anybody. */
export class NeedRows extends Error {
  readonly rows: readonly RowRef[];

  constructor(rows: readonly RowRef[]) {
    super(`rows to load: ${rows.map((row) => `${row.table} ${row.key}`).join(', ')}`);
    this.name = 'NeedRows';
    this.rows = rows;
  }
}

/** Reads and changes of one decision. */
export interface Rows {
  get<T extends RowTable>(table: T, key: string): RowTypes[T] | undefined;
  /** Every row of a small table, in the order of the keys' bytes. */
  all<T extends SmallTable>(table: T): readonly (readonly [string, RowTypes[T]])[];
  /** Whether `get` would answer; true for what is known to be absent too. */
  isLoaded(table: RowTable, key: string): boolean;
  /** Throws NeedRows with all of those that are not loaded, at once. */
  require(rows: readonly RowRef[]): void;
  put<T extends RowTable>(table: T, key: string, row: RowTypes[T]): void;
  remove(table: RowTable, key: string): void;
}

/** What rows of large tables, kept from one decision to the next, may weigh; beyond it the cache starts anew. */
export const MAX_CACHED_BYTES = 128 * 1024 * 1024;
/** What a row weighs with its key, about; readings and bytes come on top. */
const ROW_BYTES = 300;

/** Hardly any row of these is ever read again, and they are many or long: none is kept once it is in the store. */
const NEVER_KEPT: ReadonlySet<RowTable> = new Set<RowTable>(['opening', 'posting']);

/** One table: what the store has of it, and what was changed since. A base without a row says that the store has none. */
class Table {
  readonly isSmall: boolean;
  readonly changes = new Map<string, unknown>();
  base = new Map<string, unknown>();
  /** Of a small table, until it changes. */
  sorted: readonly (readonly [string, unknown])[] | undefined;

  constructor(name: RowTable) {
    this.isSmall = SMALL.has(name);
  }

  has(key: string): boolean {
    return this.isSmall || this.changes.has(key) || this.base.has(key);
  }
}

const SMALL: ReadonlySet<RowTable> = new Set<RowTable>(SMALL_TABLES);

export class WorkingSet implements Rows {
  readonly #tables = new Map<RowTable, Table>();
  #cachedBytes = 0;

  /** Puts a small table's rows in place, whole. */
  loadWhole<T extends SmallTable>(name: T, rows: Iterable<readonly [string, RowTypes[T]]>): void {
    const table = this.#table(name);
    table.base = new Map(rows);
    table.sorted = undefined;
  }

  /** Puts one row of a large table in place; undefined: the store has none. */
  loadRow<T extends RowTable>(name: T, key: string, row: RowTypes[T] | undefined): void {
    this.#cache(this.#table(name), key, row);
  }

  isLoaded(name: RowTable, key: string): boolean {
    return this.#table(name).has(key);
  }

  get<T extends RowTable>(name: T, key: string): RowTypes[T] | undefined {
    const table = this.#table(name);
    const { changes, base } = table;
    const changed = changes.get(key);
    if (changed !== undefined || changes.has(key)) return changed as RowTypes[T] | undefined;
    const row = base.get(key);
    if (row !== undefined || table.isSmall || base.has(key)) return row as RowTypes[T] | undefined;
    throw new NeedRows([{ table: name, key }]);
  }

  require(rows: readonly RowRef[]): void {
    const missing = rows.filter(({ table, key }) => !this.isLoaded(table, key));
    if (missing.length > 0) throw new NeedRows(missing);
  }

  all<T extends SmallTable>(name: T): readonly (readonly [string, RowTypes[T]])[] {
    const table = this.#table(name);
    table.sorted ??= sortedRows(table);
    return table.sorted as readonly (readonly [string, RowTypes[T]])[];
  }

  put<T extends RowTable>(name: T, key: string, row: RowTypes[T]): void {
    if (row === undefined) throw new LedgerError('invariant', `put of nothing into ${name} ${key}`);
    const table = this.#table(name);
    table.changes.set(key, row);
    table.sorted = undefined;
  }

  remove(name: RowTable, key: string): void {
    const table = this.#table(name);
    table.changes.set(key, undefined);
    table.sorted = undefined;
  }

  /** What has changed since the base was last in step with the store. */
  changes(): RowChange[] {
    const list: RowChange[] = [];
    this.eachChange((table, key, row) => list.push({ table, key, row }));
    return list;
  }

  eachChange(told: (table: RowTable, key: string, row: RowTypes[RowTable] | undefined) => void): void {
    for (const [table, { changes }] of this.#tables) {
      changes.forEach((row, key) => {
        told(table, key, row as RowTypes[RowTable] | undefined);
      });
    }
  }

  /** The changes are in the store now. */
  keepChanges(): void {
    for (const [name, table] of this.#tables) {
      if (table.changes.size === 0) continue;
      const isKept = !NEVER_KEPT.has(name);
      table.changes.forEach((row, key) => {
        if (!isKept) this.#forget(table, key);
        else if (!table.isSmall) this.#cache(table, key, row);
        else if (row === undefined) table.base.delete(key);
        else table.base.set(key, row);
      });
      table.changes.clear();
    }
    if (this.#cachedBytes > MAX_CACHED_BYTES) this.#forgetLarge();
  }

  dropChanges(): void {
    for (const table of this.#tables.values()) {
      if (table.changes.size === 0) continue;
      table.changes.clear();
      table.sorted = undefined;
    }
  }

  /** Contents are large and hardly ever read twice: call when a decision is done with. */
  forgetOpenings(): void {
    const { base } = this.#table('opening');
    for (const row of base.values()) this.#cachedBytes -= weightOf(row);
    base.clear();
  }

  #table(name: RowTable): Table {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new Table(name);
      this.#tables.set(name, table);
    }
    return table;
  }

  #cache({ base, isSmall }: Table, key: string, row: unknown): void {
    if (!isSmall) this.#cachedBytes += weightOf(row) - (base.has(key) ? weightOf(base.get(key)) : 0);
    base.set(key, row);
  }

  #forget({ base }: Table, key: string): void {
    if (!base.has(key)) return;
    this.#cachedBytes -= weightOf(base.get(key));
    base.delete(key);
  }

  #forgetLarge(): void {
    for (const table of this.#tables.values()) if (!table.isSmall) table.base.clear();
    this.#cachedBytes = 0;
  }
}

/** About; the same for a row as long as it is kept, since rows are never changed. */
function weightOf(row: unknown): number {
  if (row instanceof Uint8Array) return ROW_BYTES + row.length;
  return ROW_BYTES + (row instanceof MeterDay ? row.weightBytes : 0);
}

function sortedRows({ base, changes }: Table): readonly (readonly [string, unknown])[] {
  const merged = new Map(base);
  for (const [key, row] of changes) {
    if (row === undefined) merged.delete(key);
    else merged.set(key, row);
  }
  // Keys are ASCII, so the order of their code units is that of their bytes.
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1));
}
