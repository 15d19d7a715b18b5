import Database from 'better-sqlite3';
import {
  MAX_PASSED,
  MAX_SHELVED,
  type NewOutgoing,
  type Outbox,
  type OutboxBatch,
  type OutboxUsage,
  type Outgoing,
  type OutgoingKind,
  type Shelved,
  type StoredSample,
} from '../core/outbox.js';
import { decodeSample, encodeSample } from '../core/sample-codec.js';
import { decodeState, encodeState, type GatewayState } from '../core/state.js';
import { GatewayError, reasonOf } from '../errors.js';

/** "cwgo", so that another program's file is not taken for an outbox. */
const APPLICATION_ID = 0x6377676f;
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL) STRICT;
  CREATE TABLE samples (id INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE outgoing (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL, payload BLOB NOT NULL,
    samples INTEGER NOT NULL, attempt INTEGER NOT NULL, message BLOB, hash BLOB,
    shelved INTEGER NOT NULL DEFAULT 0, code INTEGER
  ) STRICT;
  -- No number is ever signed over two contents: not even by a mistake in this program.
  CREATE UNIQUE INDEX outgoing_frame_number ON outgoing (epoch, number) WHERE kind = 'frame';
  CREATE INDEX outgoing_requests ON outgoing (id) WHERE kind <> 'frame';
  CREATE TABLE passed (
    epoch INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (epoch, number)
  ) STRICT, WITHOUT ROWID;
`;

/** The medium takes nothing, now: it says nothing about what is in the file. */
const UNWRITABLE = ['SQLITE_FULL', 'SQLITE_READONLY', 'SQLITE_IOERR', 'SQLITE_CANTOPEN', 'SQLITE_PERM'] as const;

/** Passed hashes are cut to their bound once in so many, not at every commit. */
const TRIM_EVERY = 256;

interface OutgoingRow {
  id: number;
  kind: OutgoingKind;
  epoch: number;
  number: number;
  payload: Buffer;
  samples: number;
  attempt: number;
  message: Buffer | null;
  hash: Buffer | null;
}

/**
 * Opens, or makes, the outbox in `file`. WAL with `synchronous` FULL: a commit that returned survives a power cut.
 * The exclusive lock keeps a second process out. Throws `outbox-in-use`, `outbox-damaged` or `outbox-full`.
 */
export function openSqliteOutbox(file: string): Outbox {
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { timeout: 0 });
    database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    prepareSchema(database, file);
    return new SqliteOutbox(database);
  } catch (error) {
    database?.close();
    throw toGatewayError(error, file);
  }
}

function prepareSchema(database: Database.Database, file: string): void {
  // Takes the exclusive lock now, not at the first reading.
  database
    .transaction(() => {
      const version = database.pragma('user_version', { simple: true });
      const application = database.pragma('application_id', { simple: true });
      if (version === 0 && application === 0) {
        database.exec(SCHEMA);
        database.pragma(`application_id = ${APPLICATION_ID}`);
        database.pragma(`user_version = ${SCHEMA_VERSION}`);
      } else if (application !== APPLICATION_ID || version !== SCHEMA_VERSION) {
        throw new GatewayError(
          'outbox-damaged',
          `${file} is no outbox of this version: expected version ${SCHEMA_VERSION}, got ${String(version)}`,
        );
      }
    })
    .exclusive();
}

function toGatewayError(error: unknown, file: string): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = error instanceof Database.SqliteError ? error.code : '';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const message = `another gateway process has ${file} open: stop it first, or give this one a data folder of its own`;
    return new GatewayError('outbox-in-use', message, { cause: error });
  }
  if (UNWRITABLE.some((prefix) => code.startsWith(prefix))) {
    const what = `${file} cannot be written (${code}): ${reasonOf(error)}`;
    const help = 'free or replace the disk, or make it writable again; nothing that was acknowledged is lost';
    return new GatewayError('outbox-full', `${what}: ${help}`, { cause: error });
  }
  return new GatewayError('outbox-damaged', `${file} cannot be used as an outbox: ${reasonOf(error)}`, {
    cause: error,
  });
}

class SqliteOutbox implements Outbox {
  readonly #database: Database.Database;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #apply: (batch: OutboxBatch) => { sampleIds: number[]; outgoingIds: number[] };
  #nextSampleId: number;
  #nextOutgoingId: number;
  #passedSinceTrim = 0;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#apply = database.transaction((batch: OutboxBatch) => this.#applyBatch(batch));
    this.#nextSampleId = this.#statements.maxSampleId.pluck().get() as number;
    this.#nextOutgoingId = this.#statements.maxOutgoingId.pluck().get() as number;
  }

  state(): GatewayState | undefined {
    const body = this.#statements.state.pluck().get() as string | undefined;
    return body === undefined ? undefined : decodeState(body);
  }

  samples(): StoredSample[] {
    const rows = this.#statements.samples.all() as { id: number; body: string }[];
    return rows.map(({ id, body }) => ({ id, ...decodeSample(body) }));
  }

  outgoing(query: { readonly afterId: number; readonly limit: number }): Outgoing[] {
    return (this.#statements.outgoing.all(query.afterId, query.limit) as OutgoingRow[]).map(toOutgoing);
  }

  newestFrame(): Outgoing | undefined {
    const row = this.#statements.newestFrame.get() as OutgoingRow | undefined;
    return row === undefined ? undefined : toOutgoing(row);
  }

  frame(epoch: number, number: number): Outgoing | undefined {
    const row = this.#statements.frame.get(epoch, number) as OutgoingRow | undefined;
    return row === undefined ? undefined : toOutgoing(row);
  }

  requests(): Outgoing[] {
    return (this.#statements.requests.all() as OutgoingRow[]).map(toOutgoing);
  }

  shelved(limit: number): Shelved[] {
    const rows = this.#statements.shelved.all(limit) as (Omit<Shelved, 'code'> & { code: number | null })[];
    return rows.map(({ kind, epoch, number, code }) => ({ kind, epoch, number, ...(code !== null && { code }) }));
  }

  passedHash(epoch: number, number: number): Uint8Array | undefined {
    return this.#statements.passedHash.pluck().get(epoch, number) as Uint8Array | undefined;
  }

  usage(): OutboxUsage {
    return this.#statements.usage.get() as OutboxUsage;
  }

  commit(batch: OutboxBatch): { sampleIds: number[]; outgoingIds: number[] } {
    try {
      // What a failing medium did not let end: inside of it the next commit would be none.
      if (this.#database.inTransaction) this.#statements.rollback.run();
      return this.#apply(batch);
    } catch (error) {
      throw toGatewayError(error, this.#database.name);
    }
  }

  #applyBatch(batch: OutboxBatch): { sampleIds: number[]; outgoingIds: number[] } {
    const run = this.#statements;
    if (batch.state !== undefined) run.putState.run(encodeState(batch.state));
    for (const id of batch.removeSamples ?? []) run.removeSample.run(id);
    for (const { id, message, hash } of batch.signed ?? []) run.sign.run(message, hash, id);
    for (const id of batch.removeOutgoing ?? []) run.removeOutgoing.run(id);
    for (const { id, code } of batch.shelve ?? []) run.shelve.run(code ?? null, id);
    if (batch.shelve !== undefined && batch.shelve.length > 0) run.trimShelved.run(MAX_SHELVED);
    for (const { epoch, number, hash } of batch.passed ?? []) this.#pass(epoch, number, hash);
    const sampleIds = (batch.addSamples ?? []).map((sample) => {
      run.addSample.run(++this.#nextSampleId, sample.atS, encodeSample(sample));
      return this.#nextSampleId;
    });
    const outgoingIds = (batch.addOutgoing ?? []).map((outgoing) => this.#add(outgoing));
    return { sampleIds, outgoingIds };
  }

  #add({ kind, epoch, number, payload, samples, attempt }: NewOutgoing): number {
    this.#statements.addOutgoing.run(++this.#nextOutgoingId, kind, epoch, number, payload, samples, attempt);
    return this.#nextOutgoingId;
  }

  #pass(epoch: number, number: number, hash: Uint8Array): void {
    this.#statements.pass.run(epoch, number, hash);
    if (++this.#passedSinceTrim < TRIM_EVERY) return;
    this.#passedSinceTrim = 0;
    this.#statements.trimPassed.run(MAX_PASSED);
  }

  close(): void {
    this.#database.close();
  }
}

const OUTGOING_COLUMNS = 'id, kind, epoch, number, payload, samples, attempt, message, hash';

function prepareStatements(database: Database.Database) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    rollback: prepare('ROLLBACK'),
    state: prepare('SELECT body FROM state'),
    putState: prepare('INSERT INTO state (id, body) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body'),
    maxSampleId: prepare('SELECT coalesce(max(id), 0) FROM samples'),
    maxOutgoingId: prepare('SELECT coalesce(max(id), 0) FROM outgoing'),
    samples: prepare('SELECT id, body FROM samples ORDER BY at_s, id'),
    addSample: prepare('INSERT INTO samples (id, at_s, body) VALUES (?, ?, ?)'),
    removeSample: prepare('DELETE FROM samples WHERE id = ?'),
    outgoing: prepare(`SELECT ${OUTGOING_COLUMNS} FROM outgoing WHERE shelved = 0 AND id > ? ORDER BY id LIMIT ?`),
    newestFrame: prepare(
      `SELECT ${OUTGOING_COLUMNS} FROM outgoing WHERE kind = 'frame' AND shelved = 0 ORDER BY id DESC LIMIT 1`,
    ),
    frame: prepare(
      `SELECT ${OUTGOING_COLUMNS} FROM outgoing WHERE kind = 'frame' AND shelved = 0 AND epoch = ? AND number = ?`,
    ),
    requests: prepare(`SELECT ${OUTGOING_COLUMNS} FROM outgoing WHERE kind <> 'frame' AND shelved = 0 ORDER BY id`),
    addOutgoing: prepare(
      'INSERT INTO outgoing (id, kind, epoch, number, payload, samples, attempt) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    sign: prepare('UPDATE outgoing SET message = ?, hash = ? WHERE id = ?'),
    removeOutgoing: prepare('DELETE FROM outgoing WHERE id = ?'),
    shelve: prepare('UPDATE outgoing SET shelved = 1, code = ? WHERE id = ?'),
    shelved: prepare('SELECT kind, epoch, number, code FROM outgoing WHERE shelved = 1 ORDER BY id DESC LIMIT ?'),
    trimShelved: prepare(
      `DELETE FROM outgoing WHERE shelved = 1
       AND id NOT IN (SELECT id FROM outgoing WHERE shelved = 1 ORDER BY id DESC LIMIT ?)`,
    ),
    pass: prepare(
      'INSERT INTO passed (epoch, number, hash) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash',
    ),
    passedHash: prepare('SELECT hash FROM passed WHERE epoch = ? AND number = ?'),
    trimPassed: prepare(
      `DELETE FROM passed WHERE (epoch, number)
       <= (SELECT epoch, number FROM passed ORDER BY epoch DESC, number DESC LIMIT 1 OFFSET ?)`,
    ),
    usage: prepare(
      `SELECT (SELECT count(*) FROM samples) AS waitingSamples, coalesce(sum(samples) FILTER (WHERE shelved = 0), 0) AS framedSamples,
       count(*) FILTER (WHERE shelved = 0) AS outgoing, count(*) FILTER (WHERE shelved = 1) AS shelved FROM outgoing`,
    ),
  };
}

function toOutgoing({ message, hash, ...row }: OutgoingRow): Outgoing {
  return { ...row, ...(message !== null && { message }), ...(hash !== null && { hash }) };
}
