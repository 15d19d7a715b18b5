import { createHash } from 'node:crypto';
import type { RowValue } from '../../core/rows.js';

const TEXT = 0x74; // t
const BYTES = 0x62; // b

/**
 * SHA-256 over the rows of a table, given in the order of their keys' bytes. Each row enters as: length of the key (u32,
 * big endian), key (UTF-8), `t` or `b`, length of the value (u32), value. So no two different tables hash the same bytes.
 */
export class DumpHash {
  readonly #hash = createHash('sha256');

  add(key: string, value: RowValue): void {
    const keyBytes = Buffer.from(key, 'utf8');
    const valueBytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    const head = Buffer.allocUnsafe(4 + keyBytes.length + 5);
    head.writeUInt32BE(keyBytes.length, 0);
    keyBytes.copy(head, 4);
    head[4 + keyBytes.length] = typeof value === 'string' ? TEXT : BYTES;
    head.writeUInt32BE(valueBytes.length, 5 + keyBytes.length);
    this.#hash.update(head).update(valueBytes);
  }

  /** Lower-case hex. Once. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
