/** The readings of one channel around an instant, out of its day rows. */
import { type ChannelRow, readingsKey } from '../rows.js';
import type { RowRef, Rows } from '../working-set.js';
import { MeterDay } from './meter-day.js';
import { Readings } from './packed-readings.js';

export const DAY_S = 86_400;

/** Counters that enter the netting: import and export at the connection point. */
export function isNetted(quantity: number): boolean {
  return quantity === 1 || quantity === 2;
}

export interface ChannelRef {
  readonly meter: string;
  readonly quantity: number;
}

export const NEW_CHANNEL: ChannelRow = { segments: [{ segment: 0, fromS: 0 }], accepted: 0, flagged: 0 };

export function channelHead(rows: Rows, { meter, quantity }: ChannelRef): ChannelRow {
  return rows.get('channel', meter)?.[quantity] ?? NEW_CHANNEL;
}

export function readingsOfDay(rows: Rows, { meter, quantity }: ChannelRef, timeS: number): Readings {
  return rows.get('readings', readingsKey(meter, timeS))?.of(quantity) ?? Readings.NONE;
}

export function putReadingsOfDay(rows: Rows, { meter, quantity }: ChannelRef, timeS: number, readings: Readings): void {
  const key = readingsKey(meter, timeS);
  rows.put('readings', key, (rows.get('readings', key) ?? MeterDay.EMPTY).with(quantity, readings));
}

/** All readings of the days that `[fromS, toS]` touches, sorted by time. */
export function readingsBetween(rows: Rows, channel: ChannelRef, fromS: number, toS: number): Readings {
  const first = Math.floor(fromS / DAY_S) * DAY_S;
  if (toS < first + DAY_S) return readingsOfDay(rows, channel, first);
  const days: Readings[] = [];
  for (let dayS = first; dayS <= toS; dayS += DAY_S) days.push(readingsOfDay(rows, channel, dayS));
  return Readings.joined(days);
}

/** Starts of the days from one instant to another, their readings asked for in ever larger steps. */
export function* daysFrom(
  rows: Rows,
  { meter }: ChannelRef,
  fromS: number,
  toS: number,
  step: 1 | -1,
): Generator<number> {
  const firstDay = Math.floor(fromS / DAY_S);
  const lastDay = Math.max(0, Math.floor(toS / DAY_S));
  const days = step * (lastDay - firstDay) + 1;
  let known = 0;
  for (let n = 0; n < days; n++) {
    if (n === known) {
      const refs: RowRef[] = [];
      for (; known <= Math.min(2 * n, days - 1); known++) {
        refs.push({ table: 'readings', key: readingsKey(meter, (firstDay + step * known) * DAY_S) });
      }
      rows.require(refs);
    }
    yield (firstDay + step * n) * DAY_S;
  }
}
