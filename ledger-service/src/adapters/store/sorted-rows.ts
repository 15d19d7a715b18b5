import type { RowValue } from '../../core/rows.js';

/** A map whose keys are in the order of their UTF-8 bytes. Appending at the end is cheap, as it is for a log. */
export class SortedRows {
  readonly #values = new Map<string, RowValue>();
  readonly #keys: string[] = [];

  get(key: string): RowValue | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: RowValue): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#position(key), 0, key);
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#position(key), 1);
  }

  /** Keys from `from` (inclusive) to `to` (exclusive), ascending; without bounds all. */
  keys(from?: string, to?: string): string[] {
    const start = from === undefined ? 0 : this.#position(from);
    return this.#keys.slice(start, to === undefined ? undefined : Math.max(start, this.#position(to)));
  }

  /** Index of the first key that is not before `key`. */
  #position(key: string): number {
    const last = this.#keys.at(-1);
    if (last === undefined || compareKeys(last, key) < 0) return this.#keys.length;
    let low = 0;
    let high = this.#keys.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle]!, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The order of the UTF-8 bytes of two well-formed texts, without encoding them. UTF-16 differs from it only where a
 * surrogate meets a unit above the surrogates.
 */
export function compareKeys(a: string, b: string): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return utf8Rank(x) - utf8Rank(y);
  }
  return a.length - b.length;
}

function utf8Rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
