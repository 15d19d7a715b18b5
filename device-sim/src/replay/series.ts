import { RowError } from './row.js';

/** The readings of one register of one home, ascending by time, no time twice. */
export class Series {
  readonly #timesMs: readonly number[];
  readonly #energiesMwh: readonly number[];

  constructor(timesMs: readonly number[], energiesMwh: readonly number[]) {
    this.#timesMs = timesMs;
    this.#energiesMwh = energiesMwh;
  }

  get size(): number {
    return this.#timesMs.length;
  }

  /** The reading stamped exactly so, in mWh; undefined if there is none. */
  at(timeMs: number): number | undefined {
    let low = 0;
    let high = this.#timesMs.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#timesMs[middle]!;
      if (found === timeMs) return this.#energiesMwh[middle];
      if (found < timeMs) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

/** A refused row, with its place in the file. */
export class SeriesConflict extends RowError {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Takes readings in any order. */
export class SeriesBuilder {
  readonly #timesMs: number[] = [];
  readonly #energiesMwh: number[] = [];
  readonly #lines: number[] = [];
  #ascending = true;

  add(timeMs: number, energyMwh: number, line: number): void {
    const last = this.#timesMs.at(-1);
    if (last !== undefined && timeMs <= last) this.#ascending = false;
    this.#timesMs.push(timeMs);
    this.#energiesMwh.push(energyMwh);
    this.#lines.push(line);
  }

  /** Sorts, and drops rows that say the same twice. Throws SeriesConflict where two rows of one time differ. */
  build(): { series: Series; duplicates: number } {
    if (this.#ascending) return { series: new Series(this.#timesMs, this.#energiesMwh), duplicates: 0 };
    const order = Array.from(this.#timesMs, (_, index) => index).sort(
      (a, b) => this.#timesMs[a]! - this.#timesMs[b]! || this.#lines[a]! - this.#lines[b]!,
    );
    const timesMs: number[] = [];
    const energiesMwh: number[] = [];
    let firstLine = 0;
    for (const index of order) {
      if (this.#timesMs[index] !== timesMs.at(-1)) {
        timesMs.push(this.#timesMs[index]!);
        energiesMwh.push(this.#energiesMwh[index]!);
        firstLine = this.#lines[index]!;
      } else if (this.#energiesMwh[index] !== energiesMwh.at(-1)) {
        throw new SeriesConflict(
          this.#lines[index]!,
          `expected the value of line ${firstLine}, which is of the same household, register and time, got another`,
        );
      }
    }
    return { series: new Series(timesMs, energiesMwh), duplicates: order.length - timesMs.length };
  }
}
