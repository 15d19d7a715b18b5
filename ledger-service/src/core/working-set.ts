/**
 * The rows one decision works on. The base holds what the store holds; changes lie above it until they are committed
 * or thrown away. A decision that touches a row nobody loaded throws NeedRows: the use case loads it and decides again,
 * so core stays synchronous and pure over any store.
 */
import { LedgerError } from './errors.js';
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
  /** Throws NeedRows with all of those that are not loaded, at once. */
  require(rows: readonly RowRef[]): void;
  put<T extends RowTable>(table: T, key: string, row: RowTypes[T]): void;
  remove(table: RowTable, key: string): void;
}

type Layer = Map<RowTable, Map<string, unknown>>;

/** Rows of large tables kept from one decision to the next; beyond it the cache starts anew. */
const MAX_CACHED_ROWS = 50_000;

export class WorkingSet implements Rows {
  readonly #base: Layer = new Map();
  readonly #changes: Layer = new Map();
  readonly #sorted = new Map<SmallTable, readonly (readonly [string, unknown])[]>();
  #cachedRows = 0;

  /** Puts a small table's rows in place, whole. */
  loadWhole<T extends SmallTable>(table: T, rows: Iterable<readonly [string, RowTypes[T]]>): void {
    this.#base.set(table, new Map(rows));
    this.#sorted.delete(table);
  }

  /** Puts one row of a large table in place; undefined: the store has none. */
  loadRow<T extends RowTable>(table: T, key: string, row: RowTypes[T] | undefined): void {
    this.#cache(layerTable(this.#base, table), key, row);
  }

  isLoaded(table: RowTable, key: string): boolean {
    return (
      isSmall(table) || (this.#changes.get(table)?.has(key) ?? false) || (this.#base.get(table)?.has(key) ?? false)
    );
  }

  get<T extends RowTable>(table: T, key: string): RowTypes[T] | undefined {
    const changed = this.#changes.get(table);
    if (changed?.has(key)) return changed.get(key) as RowTypes[T] | undefined;
    const base = this.#base.get(table);
    if (base?.has(key)) return base.get(key) as RowTypes[T] | undefined;
    if (isSmall(table)) return undefined;
    throw new NeedRows([{ table, key }]);
  }

  require(rows: readonly RowRef[]): void {
    const missing = rows.filter(({ table, key }) => !this.isLoaded(table, key));
    if (missing.length > 0) throw new NeedRows(missing);
  }

  all<T extends SmallTable>(table: T): readonly (readonly [string, RowTypes[T]])[] {
    const known = this.#sorted.get(table);
    if (known !== undefined) return known as readonly (readonly [string, RowTypes[T]])[];
    const merged = new Map(this.#base.get(table) ?? []);
    for (const [key, row] of this.#changes.get(table) ?? []) {
      if (row === undefined) merged.delete(key);
      else merged.set(key, row);
    }
    // Keys are ASCII, so the order of their code units is that of their bytes.
    const rows = [...merged].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#sorted.set(table, rows);
    return rows as readonly (readonly [string, RowTypes[T]])[];
  }

  put<T extends RowTable>(table: T, key: string, row: RowTypes[T]): void {
    if (row === undefined) throw new LedgerError('invariant', `put of nothing into ${table} ${key}`);
    layerTable(this.#changes, table).set(key, row);
    if (isSmall(table)) this.#sorted.delete(table);
  }

  remove(table: RowTable, key: string): void {
    layerTable(this.#changes, table).set(key, undefined);
    if (isSmall(table)) this.#sorted.delete(table);
  }

  /** What has changed since the base was last in step with the store. */
  changes(): RowChange[] {
    const list: RowChange[] = [];
    for (const [table, rows] of this.#changes) {
      for (const [key, row] of rows) list.push({ table, key, row: row as RowTypes[RowTable] | undefined });
    }
    return list;
  }

  /** The changes are in the store now. */
  keepChanges(): void {
    for (const [table, rows] of this.#changes) {
      const base = layerTable(this.#base, table);
      for (const [key, row] of rows) {
        // Most openings are never read again, and they are large.
        if (table === 'opening') {
          base.delete(key);
          continue;
        }
        if (isSmall(table)) {
          if (row === undefined) base.delete(key);
          else base.set(key, row);
        } else this.#cache(base, key, row);
      }
    }
    this.#changes.clear();
    if (this.#cachedRows > MAX_CACHED_ROWS) this.#forgetLarge();
  }

  dropChanges(): void {
    for (const table of this.#changes.keys()) if (isSmall(table)) this.#sorted.delete(table);
    this.#changes.clear();
  }

  /** Contents are large and hardly ever read twice: call when a decision is done with. */
  forgetOpenings(): void {
    this.#cachedRows -= this.#base.get('opening')?.size ?? 0;
    this.#base.delete('opening');
  }

  #cache(base: Map<string, unknown>, key: string, row: unknown): void {
    if (!base.has(key)) this.#cachedRows += 1;
    base.set(key, row);
  }

  #forgetLarge(): void {
    for (const table of this.#base.keys()) if (!isSmall(table)) this.#base.delete(table);
    this.#cachedRows = 0;
  }
}

function layerTable(layer: Layer, table: RowTable): Map<string, unknown> {
  let rows = layer.get(table);
  if (rows === undefined) {
    rows = new Map();
    layer.set(table, rows);
  }
  return rows;
}

const SMALL = new Set<string>(SMALL_TABLES);

function isSmall(table: RowTable): table is SmallTable {
  return SMALL.has(table);
}
