import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { formatKwh } from '@commonwatt/firmware-protocol';
import { messageOf, SimError } from '../errors.js';

/** What one counter of one device really was at an interval's edge. */
export interface TruthRow {
  readonly timeMs: number;
  readonly home: string;
  /** Position of the device in its home, from 0. */
  readonly meter: number;
  readonly register: string;
  readonly energyMwh: number;
}

/** Ten homes for half a year of quarter-hours; older rows make room. */
const MAX_ROWS = 500_000;
const HEADER = 'utc_timestamp,home,meter,register,value_kwh\n';

/** Remembers what happened, for those who want to check what was made of it. */
export class Truth {
  #rows: TruthRow[] = [];
  #dropped = 0;

  add(row: TruthRow): void {
    this.#rows.push(row);
    if (this.#rows.length < 2 * MAX_ROWS) return;
    this.#dropped += this.#rows.length - MAX_ROWS;
    this.#rows = this.#rows.slice(-MAX_ROWS);
  }

  get size(): number {
    return this.#rows.length;
  }

  /** Rows that made room for newer ones. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Writes all rows by time, home, meter and register. Throws `cannot-write`. */
  async write(path: string): Promise<{ rows: number }> {
    const rows = this.#rows.toSorted(compareRows);
    const stream = createWriteStream(path);
    try {
      stream.write(HEADER);
      for (const row of rows) {
        if (!stream.write(formatRow(row))) await drained(stream);
      }
      stream.end();
      await finished(stream);
    } catch (error) {
      throw new SimError('cannot-write', `${path}: ${messageOf(error)}`, { cause: error });
    }
    return { rows: rows.length };
  }
}

async function drained(stream: NodeJS.WritableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.once('drain', resolve);
    stream.once('error', reject);
  });
}

function compareRows(a: TruthRow, b: TruthRow): number {
  return a.timeMs - b.timeMs || (a.home < b.home ? -1 : a.home > b.home ? 1 : 0) || a.meter - b.meter;
}

function formatRow({ timeMs, home, meter, register, energyMwh }: TruthRow): string {
  return `${isoSeconds(timeMs)},${home},${meter},${register},${formatKwh(energyMwh)}\n`;
}

/** YYYY-MM-DDTHH:MM:SSZ */
export function isoSeconds(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
