/** What every store keeps to, whatever it stores in: the shape of a batch, and that nothing in the log is overwritten. */
import { LedgerError } from '../../core/errors.js';
import { ALL_TABLES, indexKey, type RowValue, type TableName } from '../../core/rows.js';
import type { CommitBatch, RowAddress, RowWrite, ScanRange } from '../../usecases/ports.js';

/** Rows of one scan: bounds the memory one answer takes. */
export const MAX_SCAN_ROWS = 10_000;

/** Rows that keep their first value: the same bytes again are fine, others are not. */
const WRITE_ONCE: ReadonlySet<TableName> = new Set<TableName>(['leaf', 'opening', 'checkpoint', 'privacy_key']);

/** Rows that nothing may delete. Openings and privacy keys may go: that is how a person is erased. */
const PERMANENT: ReadonlySet<TableName> = new Set<TableName>(['leaf', 'checkpoint']);

const INDEX_KEY = /^\d{12}$/;

const TABLES: ReadonlySet<string> = new Set(ALL_TABLES);

export const isWriteOnce = (table: TableName): boolean => WRITE_ONCE.has(table);

/** Throws 'bad-request' for a table that is not in the list, so that no other name ever reaches a statement. */
export function checkTable(table: TableName): void {
  if (!TABLES.has(table)) throw new LedgerError('bad-request', `no table ${JSON.stringify(table)}`);
}

/** Throws 'bad-request' unless the text has a UTF-8 form of its own, which a lone surrogate has not. */
export function checkKey(what: string, text: string): void {
  if (typeof text !== 'string' || !isWellFormed(text)) {
    throw new LedgerError('bad-request', `${what}: expected well-formed text, got ${JSON.stringify(text)}`);
  }
}

export function checkAddress({ table, key }: RowAddress): void {
  checkTable(table);
  checkKey(`key in ${table}`, key);
}

/** Throws 'bad-request' unless `1 <= limit <= MAX_SCAN_ROWS` and the bounds are keys. */
export function checkScan(table: TableName, range: ScanRange): void {
  checkTable(table);
  if (!Number.isInteger(range.limit) || range.limit < 1 || range.limit > MAX_SCAN_ROWS) {
    throw new LedgerError(
      'bad-request',
      `scan of ${table}: expected a limit of 1 to ${MAX_SCAN_ROWS}, got ${range.limit}`,
    );
  }
  if (range.from !== undefined) checkKey(`from in ${table}`, range.from);
  if (range.to !== undefined) checkKey(`to in ${table}`, range.to);
}

/**
 * Throws 'bad-request' for sizes, keys and values that are none, and 'invariant' for a batch that would shorten the log,
 * leave a hole in it or delete from it.
 */
export function checkBatch(batch: CommitBatch): void {
  checkSize('expectedSize', batch.expectedSize);
  checkSize('newSize', batch.newSize);
  if (batch.newSize < batch.expectedSize) {
    throw new LedgerError(
      'invariant',
      `a log never shrinks: expected at least ${batch.expectedSize}, got ${batch.newSize}`,
    );
  }
  for (const write of batch.writes) checkWrite(write);
  checkLeaves(batch);
}

function checkSize(what: string, size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new LedgerError('bad-request', `${what}: expected a whole number from 0, got ${size}`);
  }
}

function checkWrite(write: RowWrite): void {
  checkAddress(write);
  const { table, key, value } = write;
  if (value === undefined) {
    if (PERMANENT.has(table)) throw new LedgerError('invariant', `${table} ${key}: nothing may delete it`);
  } else if (typeof value === 'string') {
    checkKey(`value of ${table} ${key}`, value);
  } else if (!(value instanceof Uint8Array)) {
    throw new LedgerError('bad-request', `value of ${table} ${key}: expected text or bytes, got ${typeof value}`);
  }
}

/**
 * A log has no holes: the leaves from `expectedSize` on are exactly those up to `newSize`. Below it there is a leaf at
 * every index already, so that only its own bytes can be written to it again.
 */
function checkLeaves({ expectedSize, newSize, writes }: CommitBatch): void {
  const firstKey = indexKey(expectedSize);
  const fresh = new Set<string>();
  for (const { table, key } of writes) {
    if (table === 'leaf' && (key >= firstKey || !INDEX_KEY.test(key))) fresh.add(key);
  }
  let complete = fresh.size === newSize - expectedSize;
  for (let index = expectedSize; complete && index < newSize; index++) complete = fresh.has(indexKey(index));
  if (complete) return;
  const got = fresh.size === 0 ? 'none' : [...fresh].slice(0, 10).join(' ');
  throw new LedgerError(
    'invariant',
    `leaves: expected each index from ${expectedSize} to before ${newSize}, got ${got}`,
  );
}

/** Throws 'invariant' unless the row that is there is the row that was to be written. */
export function checkUnchanged({ table, key }: RowAddress, stored: RowValue | undefined, value: RowValue): void {
  if (stored !== undefined && sameValue(stored, value)) return;
  throw new LedgerError('invariant', `${table} ${key} is there with another value: nothing is overwritten`);
}

function sameValue(a: RowValue, b: RowValue): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return Buffer.compare(a, b) === 0;
}

// Node 20 has it; the language level the house compiles for does not name it yet.
interface WellFormedText {
  isWellFormed(): boolean;
}

function isWellFormed(text: string): boolean {
  return (text as unknown as WellFormedText).isWellFormed();
}
