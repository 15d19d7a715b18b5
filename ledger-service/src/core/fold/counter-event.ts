/** A counter starts anew: its meter's generation rises, and no energy is booked across the break. */
import { CounterCause, type CounterEvent, toHex } from '@commonwatt/firmware-protocol';
import type { IntervalSettings } from '../intervals/edges.js';
import { DAY_S } from '../intervals/readings.js';
import { startSegment } from '../intervals/samples.js';
import { touchIntervals } from '../intervals/touch.js';
import type { Rows } from '../working-set.js';

/** An event may speak of this much of the past, so that what it makes us fold again is bounded. */
export const MAX_EVENT_AGE_S = 35 * DAY_S;
/** Readings are at most this much ahead of the newest receipt. */
const AHEAD_S = 3600;

export function foldCounterEvent(
  rows: Rows,
  entry: { readonly index: number; readonly messageHash: Uint8Array },
  event: CounterEvent,
  settings: IntervalSettings,
): void {
  const meter = rows.get('meter', event.meter)!;
  const untilS = Math.max(rows.get('community', '')!.newestReceivedS + AHEAD_S, event.fromS);
  for (const { quantity, limitW } of meter.channels) {
    if (!beginsAnew(event, quantity)) continue;
    const channel = { meter: event.meter, quantity, limitW };
    const range = { channel, fromS: event.fromS, toS: untilS, index: entry.index, settings };
    touchIntervals(rows, range, () => {
      startSegment(rows, channel, { fromS: event.fromS, untilS, intervalS: settings.intervalS });
    });
  }
  const { kid, home, member, index, channels } = meter;
  rows.put('meter', event.meter, {
    kid,
    home,
    member,
    index,
    generation: event.generation,
    channels,
    eventHash: toHex(entry.messageHash),
    eventIndex: entry.index,
  });
}

/** A new meter has new counters; otherwise those that did not step back go on as they were. */
function beginsAnew({ cause, channels }: CounterEvent, quantity: number): boolean {
  const counter = channels.find((channel) => channel.quantity === quantity);
  return cause === CounterCause.replacement || (counter !== undefined && counter.first < counter.last);
}
