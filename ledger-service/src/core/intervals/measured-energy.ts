/**
 * The energies of one counter where both edges were measured: nearly all of them. Intervals are asked for one after the
 * other, so that each needs one step along the readings; whatever is not that plain is left to ChannelEdges.
 */
import type { Rows } from '../working-set.js';
import { edgeToleranceS, type IntervalSettings } from './edges.js';
import { Readings } from './packed-readings.js';
import { type ChannelRef, DAY_S, readingsOfDay } from './readings.js';

export class MeasuredEnergy {
  readonly #rows: Rows;
  readonly #channel: ChannelRef;
  readonly #intervalS: number;
  readonly #toleranceS: number;
  /** Start of the day whose readings are at hand. */
  #dayS = Number.NaN;
  #readings = Readings.NONE;
  /** Readings before this one lie before the edge that was looked at last. */
  #next = 0;
  /** What was found at the edge that was looked at last: NaN where nothing was measured. */
  #edgeS = Number.NaN;
  #valueMwh = Number.NaN;
  #segment = 0;

  constructor(rows: Rows, channel: ChannelRef, { intervalS }: IntervalSettings) {
    this.#rows = rows;
    this.#channel = channel;
    this.#intervalS = intervalS;
    this.#toleranceS = edgeToleranceS(intervalS);
  }

  /** mWh from `startS` to the interval's end; NaN unless both edges were measured, in one segment of the counter. */
  at(startS: number): number {
    if (this.#edgeS !== startS) this.#lookAt(startS);
    const valueMwh = this.#valueMwh;
    const segment = this.#segment;
    this.#lookAt(startS + this.#intervalS);
    return segment === this.#segment ? this.#valueMwh - valueMwh : Number.NaN;
  }

  /** Of several readings within the tolerance the nearest counts, of two as near the earlier (SETTLEMENT 2). */
  #lookAt(edgeS: number): void {
    const fromS = edgeS - this.#toleranceS;
    const untilS = edgeS + this.#toleranceS;
    const dayS = Math.floor(untilS / DAY_S) * DAY_S;
    this.#valueMwh = Number.NaN;
    let nearestS = Number.POSITIVE_INFINITY;
    if (fromS < dayS) {
      const before = readingsOfDay(this.#rows, this.#channel, fromS);
      nearestS = this.#search(before, before.firstAtOrAfter(fromS), edgeS, nearestS);
    }
    if (dayS !== this.#dayS || !(edgeS > this.#edgeS)) {
      this.#readings = readingsOfDay(this.#rows, this.#channel, dayS);
      this.#dayS = dayS;
      this.#next = this.#readings.firstAtOrAfter(fromS);
    }
    const readings = this.#readings;
    while (this.#next < readings.length && readings.timeS(this.#next) < fromS) this.#next++;
    this.#search(readings, this.#next, edgeS, nearestS);
    this.#edgeS = edgeS;
  }

  /** Keeps what is nearer than `nearestS`, and returns how near it is. */
  #search(readings: Readings, from: number, edgeS: number, nearestS: number): number {
    let bestS = nearestS;
    for (let i = from; i < readings.length; i++) {
      const awayS = readings.timeS(i) - edgeS;
      if (awayS > this.#toleranceS) break;
      if (Math.abs(awayS) >= bestS || !readings.isGood(i) || !readings.isTrusted(i)) continue;
      bestS = Math.abs(awayS);
      this.#valueMwh = readings.valueMwh(i);
      this.#segment = readings.segment(i);
    }
    return bestS;
  }
}
