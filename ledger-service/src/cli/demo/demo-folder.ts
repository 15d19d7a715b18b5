import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { LedgerError } from '../../core/errors.js';
import { DataFolder, replaceFile } from '../data-folder.js';

const MAX_HOMES = 100;
const MIN_HOMES = 8;

/** The data folder of a street, with what must be the same at the next start. */
export class DemoFolder extends DataFolder {
  get #file(): string {
    return this.childFolder('demo.json');
  }

  /** False: nothing was ever begun here. Throws 'conflict' for a folder that holds something else. */
  hasStreet(): boolean {
    if (existsSync(this.#file)) return true;
    if (existsSync(this.path) && readdirSync(this.path).length > 0) {
      throw new LedgerError('conflict', `${this.path} holds something that is no demo street: choose another --data`);
    }
    return false;
  }

  /** Forgets the street that was here. What is no street is never removed. */
  clear(): void {
    if (this.hasStreet()) this.remove();
  }

  /** How many homes it had at the last start. Throws 'bad-file'. */
  homes(): number {
    let homes: unknown;
    try {
      homes = (JSON.parse(readFileSync(this.#file, 'utf8')) as { homes?: unknown }).homes;
    } catch (cause) {
      throw new LedgerError('bad-file', `${this.#file} is damaged: begin anew with --fresh`, { cause });
    }
    if (typeof homes === 'number' && Number.isInteger(homes) && homes >= MIN_HOMES && homes <= MAX_HOMES) return homes;
    throw new LedgerError('bad-file', `${this.#file}: expected ${MIN_HOMES} to ${MAX_HOMES} homes`);
  }

  remember(homes: number): void {
    this.create();
    replaceFile(this.#file, `${JSON.stringify({ homes })}\n`);
  }
}
