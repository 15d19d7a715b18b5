import { accessSync, constants, existsSync, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LedgerError } from '../../core/errors.js';
import { DataFolder } from '../data-folder.js';

/** A folder in memory, where there is one: what is thrown away at the end need not wait for a disk at each commit. */
const MEMORY = '/dev/shm';
/** What a reading takes in ledger and outboxes together (measured: 500 bytes), and room for the rest, with a margin. */
const BYTES_A_READING = 2_048;
const SPARE_BYTES = 128 * 1024 * 1024;

/** Where a replay keeps what it makes: the folder that was named, or a temporary one that leaves with it. */
export class ReplayFolder {
  readonly #named: DataFolder | undefined;
  #temporary: DataFolder | undefined;

  /** Throws 'conflict' when the named folder holds a ledger already. */
  constructor(data: string | undefined) {
    if (data === undefined) return;
    this.#named = new DataFolder(data);
    if (existsSync(this.#named.ledgerFile)) {
      throw new LedgerError(
        'conflict',
        `${this.#named.path} holds a ledger already: choose an empty folder for --data`,
      );
    }
  }

  /** `readings` tells how much room is needed. */
  open(readings: number): DataFolder {
    if (this.#named !== undefined) return this.#named;
    const parent = hasRoom(MEMORY, readings * BYTES_A_READING + SPARE_BYTES) ? MEMORY : tmpdir();
    this.#temporary ??= new DataFolder(mkdtempSync(join(parent, `commonwatt-replay-${process.pid}-`)));
    return this.#temporary;
  }

  /** Removes what is temporary. */
  leave(): void {
    this.#temporary?.remove();
  }
}

function hasRoom(path: string, bytes: number): boolean {
  try {
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}
