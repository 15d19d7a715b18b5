import type { Database, Statement } from 'better-sqlite3';
import type { TableName } from '../../core/rows.js';

export interface SqliteRow {
  readonly key: string;
  readonly value: string | Buffer;
}

type Bound = string | Uint8Array | number;

/** SQL of one table. Its name comes from the fixed list of tables, never from input. */
const SQL = {
  get: (t: TableName) => `SELECT value FROM "${t}" WHERE community = ? AND key = ?`,
  add: (t: TableName) => `INSERT INTO "${t}" VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
  put: (t: TableName) =>
    `INSERT INTO "${t}" VALUES (?, ?, ?) ON CONFLICT (community, key) DO UPDATE SET value = excluded.value`,
  delete: (t: TableName) => `DELETE FROM "${t}" WHERE community = ? AND key = ?`,
  drop: (t: TableName) => `DELETE FROM "${t}" WHERE community = ?`,
  dump: (t: TableName) => `SELECT key, value FROM "${t}" WHERE community = ? ORDER BY key`,
  up: (t: TableName) => `${SCAN(t)} ORDER BY key LIMIT ?`,
  upTo: (t: TableName) => `${SCAN(t)} AND key < ? ORDER BY key LIMIT ?`,
  down: (t: TableName) => `${SCAN(t)} ORDER BY key DESC LIMIT ?`,
  downTo: (t: TableName) => `${SCAN(t)} AND key < ? ORDER BY key DESC LIMIT ?`,
} as const;

const SCAN = (t: TableName): string => `SELECT key, value FROM "${t}" WHERE community = ? AND key >= ?`;

type Kind = keyof typeof SQL;
const KINDS = Object.keys(SQL) as Kind[];

/** Prepared statements, each made at its first use and kept: at most one of each kind a table. */
export class SqliteStatements {
  readonly #db: Database;
  readonly #prepared = Object.fromEntries(KINDS.map((kind) => [kind, new Map()])) as Record<
    Kind,
    Map<TableName, Statement<Bound[], SqliteRow>>
  >;
  readonly #values = new Map<TableName, Statement<Bound[], string | Buffer>>();
  readonly begin: Statement<[]>;
  readonly commit: Statement<[]>;
  readonly rollback: Statement<[]>;
  readonly communities: Statement<[], string>;
  readonly getSize: Statement<[string], number>;
  readonly putSize: Statement<[string, number]>;
  readonly countCommit: Statement<[]>;

  constructor(db: Database) {
    this.#db = db;
    this.begin = db.prepare('BEGIN IMMEDIATE');
    this.commit = db.prepare('COMMIT');
    this.rollback = db.prepare('ROLLBACK');
    this.communities = db.prepare<[], string>('SELECT community FROM log_size ORDER BY community').pluck();
    this.getSize = db.prepare<[string], number>('SELECT size FROM log_size WHERE community = ?').pluck();
    this.putSize = db.prepare(
      'INSERT INTO log_size VALUES (?, ?) ON CONFLICT (community) DO UPDATE SET size = excluded.size',
    );
    this.countCommit = db.prepare('UPDATE store_state SET commits = commits + 1');
  }

  of(kind: Kind, table: TableName): Statement<Bound[], SqliteRow> {
    const prepared = this.#prepared[kind];
    let statement = prepared.get(table);
    if (statement === undefined) {
      statement = this.#db.prepare<Bound[], SqliteRow>(SQL[kind](table));
      prepared.set(table, statement);
    }
    return statement;
  }

  /** The value alone of one row. */
  value(table: TableName): Statement<Bound[], string | Buffer> {
    let statement = this.#values.get(table);
    if (statement === undefined) {
      statement = this.#db.prepare<Bound[], string | Buffer>(SQL.get(table)).pluck();
      this.#values.set(table, statement);
    }
    return statement;
  }
}
