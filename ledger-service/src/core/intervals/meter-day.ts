/** A day of readings of one meter, of all its channels in one row: a frame brings readings of all of them. Never changed. */
import { LedgerError } from '../errors.js';
import { Readings } from './packed-readings.js';

/** Of each channel that has readings: its quantity in a byte, the length of what follows in four, its readings. */
const HEAD_BYTES = 5;

export class MeterDay {
  static readonly EMPTY = new MeterDay([]);

  readonly #byQuantity: readonly (Readings | undefined)[];

  private constructor(byQuantity: readonly (Readings | undefined)[]) {
    this.#byQuantity = byQuantity;
  }

  /** Throws LedgerError 'invariant' where the bytes are not those of `bytes()`. */
  static decode(bytes: Uint8Array): MeterDay {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const byQuantity: (Readings | undefined)[] = [];
    for (let at = 0; at < bytes.length; ) {
      const from = at + HEAD_BYTES;
      const to = from + (from <= bytes.length ? view.getUint32(at + 1) : 0);
      if (from > bytes.length || to > bytes.length) throw new LedgerError('invariant', 'a day is cut short: rebuild');
      byQuantity[bytes[at]!] = Readings.decode(bytes.subarray(from, to));
      at = to;
    }
    return new MeterDay(byQuantity);
  }

  bytes(): Uint8Array {
    const parts = this.quantities().map((quantity) => ({ quantity, readings: this.of(quantity).bytes() }));
    const bytes = new Uint8Array(parts.reduce((sum, { readings }) => sum + HEAD_BYTES + readings.length, 0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const { quantity, readings } of parts) {
      bytes[at] = quantity;
      view.setUint32(at + 1, readings.length);
      bytes.set(readings, at + HEAD_BYTES);
      at += HEAD_BYTES + readings.length;
    }
    return bytes;
  }

  /** In memory, about. */
  get weightBytes(): number {
    let bytes = 0;
    for (const readings of this.#byQuantity) if (readings !== undefined) bytes += readings.weightBytes;
    return bytes;
  }

  /** Of the channels that have readings, rising. */
  quantities(): number[] {
    return [...this.#byQuantity.keys()].filter((quantity) => this.of(quantity).length > 0);
  }

  of(quantity: number): Readings {
    return this.#byQuantity[quantity] ?? Readings.NONE;
  }

  with(quantity: number, readings: Readings): MeterDay {
    const byQuantity = this.#byQuantity.slice();
    byQuantity[quantity] = readings;
    return new MeterDay(byQuantity);
  }
}
