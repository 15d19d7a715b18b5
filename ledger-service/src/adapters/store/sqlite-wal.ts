/**
 * SQLite applies any write-ahead file that lies beside a database, also that of another one (a backup put back under a
 * running store's name). This reads the file's first transaction as SQLite would (file format, sections 4.1 to 4.4) and
 * looks for the mark that every transaction of a store's run carries.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;

export interface WalMark {
  /** Page of the database that every transaction writes. */
  readonly page: number;
  /** What that page holds. */
  readonly run: Buffer;
}

/** `empty`: SQLite would apply nothing of it. `foreign`: it would apply pages of another database or another time. */
export type WalVerdict = 'empty' | 'ours' | 'foreign';

/** Without a mark, that is beside a database in which nothing was made, no transaction is ours. */
export function judgeWal(walFile: string, mark: WalMark | undefined): WalVerdict {
  const handle = openSync(walFile, 'r');
  try {
    return judgeFirstTransaction((bytes, position) => readSync(handle, bytes, 0, bytes.length, position), mark);
  } finally {
    closeSync(handle);
  }
}

type ReadAt = (into: Buffer, position: number) => number;

function judgeFirstTransaction(readAt: ReadAt, mark: WalMark | undefined): WalVerdict {
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
  let carriesMark = false;
  for (let at = HEADER_BYTES; readAt(frame, at) === frame.length; at += frame.length) {
    if (frame.compare(header, 16, 24, 8, 16) !== 0) return 'empty'; // salts
    sum.add(frame, 0, 8);
    sum.add(frame, FRAME_HEADER_BYTES, frame.length);
    if (!sum.equals(frame, 16)) return 'empty';
    if (frame.readUInt32BE(0) === mark?.page) carriesMark = frame.includes(mark.run, FRAME_HEADER_BYTES);
    if (frame.readUInt32BE(4) !== 0) return carriesMark ? 'ours' : 'foreign'; // the transaction's last frame
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
