/** A counter starts anew: its meter's generation rises, and no energy is booked across the break. */
import { CounterCause, type CounterEvent, toHex } from '@commonwatt/firmware-protocol';
import type { IntervalSettings } from '../intervals/edges.js';
import { DAY_S, readingsBetween } from '../intervals/readings.js';
import { startSegment } from '../intervals/samples.js';
import { touchIntervals } from '../intervals/touch.js';
import { rowsOfIntervalsNear, rowsOfReadings } from '../needs.js';
import type { Rows } from '../working-set.js';
import { MAX_AHEAD_S } from './frames.js';

/** An event may speak of this much of the past, so that what it makes us fold again is bounded: a box was away that long. */
export const MAX_EVENT_AGE_S = 366 * DAY_S;

export function foldCounterEvent(
  rows: Rows,
  entry: { readonly index: number; readonly messageHash: Uint8Array },
  event: CounterEvent,
  settings: IntervalSettings,
): void {
  const meter = rows.get('meter', event.meter)!;
  // No reading is further ahead of the newest receipt.
  const untilS = Math.max(rows.get('community', '')!.newestReceivedS + MAX_AHEAD_S, event.fromS);
  const channels = meter.channels.filter(({ quantity }) => beginsAnew(event, quantity));
  const quantities = channels.map(({ quantity }) => quantity);
  const timesS = timesSince(rows, { meter: event.meter, quantities, fromS: event.fromS, untilS }, settings);
  touchIntervals(rows, { meter: event.meter, quantities, timesS, index: entry.index, settings }, () => {
    for (const { quantity, limitW } of channels) {
      const channel = { meter: event.meter, quantity, limitW };
      startSegment(rows, channel, { fromS: event.fromS, untilS, intervalS: settings.intervalS });
    }
  });
  rows.put('meter', event.meter, {
    ...meter,
    generation: event.generation,
    eventHash: toHex(entry.messageHash),
    eventIndex: entry.index,
  });
}

/** Instants of the readings that are folded again, rising; every row that this looks at is asked for at once. */
function timesSince(
  rows: Rows,
  input: { meter: string; quantities: readonly number[]; fromS: number; untilS: number },
  settings: IntervalSettings,
): readonly number[] {
  const { meter, quantities, fromS, untilS } = input;
  rows.require(quantities.flatMap((quantity) => rowsOfReadings({ meter, quantity }, { fromS, untilS }, settings)));
  const readings = quantities.flatMap((quantity) => [...readingsBetween(rows, { meter, quantity }, fromS, untilS)]);
  const timesS = new Set(readings.map(({ timeS }) => timeS).filter((timeS) => timeS >= fromS));
  const rising = [...timesS].sort((a, b) => a - b);
  rows.require(rowsOfIntervalsNear(rising, settings));
  return rising;
}

/** A new meter has new counters; otherwise those that did not step back go on as they were. */
function beginsAnew({ cause, channels }: CounterEvent, quantity: number): boolean {
  const counter = channels.find((channel) => channel.quantity === quantity);
  return cause === CounterCause.replacement || (counter !== undefined && counter.first < counter.last);
}
