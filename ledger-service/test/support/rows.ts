/** Rows for tests of core: everything is loaded, nothing is anywhere else. */
import { type LARGE_TABLES, type RowTable, type RowTypes, SMALL_TABLES } from '../../src/core/rows.js';
import { NeedRows, WorkingSet } from '../../src/core/working-set.js';

export function emptyRows(): WorkingSet {
  const rows = new WorkingSet();
  for (const table of SMALL_TABLES) rows.loadWhole(table, []);
  return rows;
}

/** Runs until no row is missing; a row nobody wrote is absent. */
export function withRows<T>(rows: WorkingSet, run: () => T): T {
  for (;;) {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof NeedRows)) throw error;
      for (const { table, key } of error.rows) rows.loadRow(table, key, undefined);
    }
  }
}

export type LargeTable = (typeof LARGE_TABLES)[number];
export type Row<T extends RowTable> = RowTypes[T];
