/**
 * SQLite applies any write-ahead file that lies beside a database, also that of another one (a backup put back under a
 * running store's name). This reads both files' bytes as SQLite would (file format, sections 1.3, 1.6, 2.1 and 4.1 to 4.4) and
 * looks in the write-ahead file's first transaction for the mark that every transaction of a store's run carries.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;

/** Page of the first table of a database, counted from 1: `store_state` is made first. */
export const STATE_PAGE = 2;
export const RUN_BYTES = 16;
/** Serial types of the columns: NULL for the rowid's alias, the constant 0 or 1, twice a blob of 16 bytes or NULL. */
const RUN_TYPE = 12 + 2 * RUN_BYTES;

type ReadAt = (into: Buffer, position: number) => number;

/** Names of the run that was written last and, while a store is being opened, of the one before it. */
export type RunNames = readonly Buffer[];

/**
 * The runs that a database names, without its write-ahead file: none when nothing was made in it; `unknown` when these are
 * not a store's first pages, as opening it will say. Not while this process has a connection: closing the file drops the lock.
 */
export function readRuns(file: string): RunNames | 'unknown' {
  return withFile(file, (readAt) => {
    const header = Buffer.alloc(100);
    const got = readAt(header, 0);
    if (got === 0) return [];
    if (got < header.length || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') return 'unknown';
    const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
    const page = Buffer.alloc(pageBytes);
    return readAt(page, (STATE_PAGE - 1) * pageBytes) < pageBytes ? 'unknown' : findRuns(page);
  });
}

/** A leaf page with one cell: payload length, rowid, length of the record's header, serial types, values. */
function findRuns(page: Buffer): RunNames | 'unknown' {
  const isLeafOfOne = page[0] === 0x0d && page.readUInt16BE(3) === 1;
  const cell = page.readUInt16BE(8);
  if (!isLeafOfOne || cell + 2 + 6 + RUN_BYTES > page.length) return 'unknown';
  const record = page.subarray(cell + 2);
  const isState = record[0] === 6 && record[1] === 0 && (record[2] === 8 || record[2] === 9) && record[3] === RUN_TYPE;
  if (!isState) return 'unknown';
  const name = (at: number): Buffer => Buffer.from(record.subarray(at, at + RUN_BYTES));
  return record[4] === RUN_TYPE ? [name(6), name(6 + RUN_BYTES)] : [name(6)];
}

function withFile<T>(file: string, work: (readAt: ReadAt) => T): T {
  const handle = openSync(file, 'r');
  try {
    return work((into, position) => readSync(handle, into, 0, into.length, position));
  } finally {
    closeSync(handle);
  }
}

/** `empty`: SQLite would apply nothing of it. `foreign`: it would apply pages of another database or another time. */
export type WalVerdict = 'empty' | 'ours' | 'foreign';

/** Beside a database without runs, one in which nothing was made, no transaction is ours. */
export function judgeWal(walFile: string, runs: RunNames): WalVerdict {
  return withFile(walFile, (readAt) => judgeFirstTransaction(readAt, runs));
}

function judgeFirstTransaction(readAt: ReadAt, runs: RunNames): WalVerdict {
  const header = Buffer.alloc(HEADER_BYTES);
  if (readAt(header, 0) < HEADER_BYTES) return 'empty';
  const magic = header.readUInt32BE(0);
  if (magic !== MAGIC_LITTLE_ENDIAN && magic !== MAGIC_BIG_ENDIAN) return 'empty';
  const sum = new WalChecksum(magic === MAGIC_BIG_ENDIAN);
  sum.add(header, 0, 24);
  if (!sum.equals(header, 24)) return 'empty';
  const pageBytes = header.readUInt32BE(8);
  if (pageBytes < 512 || pageBytes > 65_536 || pageBytes % 8 !== 0) return 'empty';

  const frame = Buffer.alloc(FRAME_HEADER_BYTES + pageBytes);
  let namesRun = false;
  for (let at = HEADER_BYTES; readAt(frame, at) === frame.length; at += frame.length) {
    if (frame.compare(header, 16, 24, 8, 16) !== 0) return 'empty'; // salts
    sum.add(frame, 0, 8);
    sum.add(frame, FRAME_HEADER_BYTES, frame.length);
    if (!sum.equals(frame, 16)) return 'empty';
    if (frame.readUInt32BE(0) === STATE_PAGE) namesRun = runs.some((run) => frame.includes(run, FRAME_HEADER_BYTES));
    if (frame.readUInt32BE(4) !== 0) return namesRun ? 'ours' : 'foreign'; // the transaction's last frame
  }
  return 'empty';
}

/** File format 4.2: two running sums over pairs of 32-bit words. */
class WalChecksum {
  readonly #bigEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(bigEndian: boolean) {
    this.#bigEndian = bigEndian;
  }

  /** `end - start` is a multiple of 8. */
  add(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; at += 8) {
      this.#first = (this.#first + this.#word(bytes, at) + this.#second) >>> 0;
      this.#second = (this.#second + this.#word(bytes, at + 4) + this.#first) >>> 0;
    }
  }

  equals(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32BE(at) === this.#first && bytes.readUInt32BE(at + 4) === this.#second;
  }

  #word(bytes: Buffer, at: number): number {
    return this.#bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }
}
