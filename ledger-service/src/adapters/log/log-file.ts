/** A log in a file that does not grow for ever: when it is full, it becomes `FILE.1` and a new one begins. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

const MAX_BYTES = 10 * 1024 * 1024;
const OWNER_ONLY = 0o600;

export interface LogFileOptions {
  readonly file: string;
  readonly maxBytes?: number;
}

export class LogFile {
  readonly #file: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;
  #lost = 0;
  #isOpen = true;

  /** Throws the system's error where the file cannot be made. */
  constructor({ file, maxBytes = MAX_BYTES }: LogFileOptions) {
    this.#file = file;
    this.#maxBytes = maxBytes;
    this.#fd = openSync(file, 'a', OWNER_ONLY);
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** Lines that could not be written, because the medium is full for one. */
  get lost(): number {
    return this.#lost;
  }

  /** The ledger goes on without a log rather than not at all, so what fails here is counted and not thrown. */
  write(line: string): void {
    // A number that was closed may be another file's by now.
    if (!this.#isOpen) return;
    try {
      if (this.#bytes >= this.#maxBytes) this.#beginAnew();
      this.#bytes += writeSync(this.#fd, line);
    } catch {
      this.#lost += 1;
    }
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }

  #beginAnew(): void {
    renameSync(this.#file, `${this.#file}.1`);
    const full = this.#fd;
    this.#fd = openSync(this.#file, 'a', OWNER_ONLY);
    this.#bytes = 0;
    closeSync(full);
  }
}
