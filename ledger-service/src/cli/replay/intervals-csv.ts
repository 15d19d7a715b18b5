/** `--intervals OUT.csv`: a row for every home in every interval of the span. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { formatKwh } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { compareIds } from '../../core/records/index.js';
import type { HomeInterval } from './outcome.js';

const HEADER = 'utc_timestamp,home,import_kwh,export_kwh,received_kwh,delivered_kwh,quality';
const QUALITIES = ['measured', 'interpolated', 'shaped', 'estimated', 'missing', 'disputed'] as const;
/** Text that is collected before it is written. */
const CHUNK_CHARACTERS = 256 * 1024;

export class IntervalsCsv {
  readonly #path: string;
  readonly #file: number;
  #text = `${HEADER}\n`;

  /** Opens the file at once, so that a path that cannot be written is refused before the work. Throws 'bad-file'. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'w');
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  add(startS: number, homes: readonly HomeInterval[]): void {
    const start = new Date(startS * 1_000).toISOString().replace('.000Z', 'Z');
    for (const one of [...homes].sort((a, b) => compareIds(a.home, b.home))) this.#text += `${start},${row(one)}\n`;
    if (this.#text.length >= CHUNK_CHARACTERS) this.#write();
  }

  close(): void {
    this.#write();
    closeSync(this.#file);
  }

  #write(): void {
    try {
      writeSync(this.#file, this.#text);
      this.#text = '';
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  #failure(cause: unknown): LedgerError {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    return new LedgerError('bad-file', `--intervals ${this.#path} cannot be written (${code})`, { cause });
  }
}

function row({ home, took }: HomeInterval): string {
  if (took === undefined) return `${home},,,,,missing`;
  const energies = [took.importMwh, took.exportMwh, took.receivedMwh, took.deliveredMwh].map(formatKwh);
  return [home, ...energies, QUALITIES[took.quality]].join(',');
}
