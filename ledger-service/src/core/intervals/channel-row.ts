/** The row of a channel: where its counter stands, the counters before it, and its segments. */
import type { ChannelRow } from '../rows.js';
import type { Rows } from '../working-set.js';
import type { ChannelRef } from './readings.js';

/** Breaks of one counter that are remembered; older readings that arrive late count to the oldest. */
const MAX_SEGMENTS = 64;
/** Counters before the present one that may still be told of. */
export const MAX_PAST = 8;

/** The segments with a fresh one from `fromS` on, in the place of those of the same counter that began later. */
export function breakAt(
  { segments, past }: Pick<ChannelRow, 'segments' | 'past'>,
  fromS: number,
): ChannelRow['segments'] {
  const segment = Math.max(...segments.map((known) => known.segment)) + 1;
  const untilS = past?.find((counter) => fromS < counter.untilS)?.untilS ?? Number.POSITIVE_INFINITY;
  const before = segments.filter((known) => known.fromS < fromS);
  const after = segments.filter((known) => known.fromS >= untilS);
  return [...before, { segment, fromS }, ...after].slice(-MAX_SEGMENTS);
}

export function segmentAt(head: ChannelRow, timeS: number): number {
  if (head.segments.length === 1) return head.segments[0]!.segment;
  return (head.segments.findLast(({ fromS }) => fromS <= timeS) ?? head.segments[0]!).segment;
}

/** The newest good reading of a counter, and a leap beyond it that waits to be confirmed. */
export type Front = Pick<ChannelRow, 'baseline' | 'candidate'>;

/** Counters that ended earlier are not told apart any more: their newest readings are looked up. */
export function isBeforeMemory({ past = [] }: ChannelRow, timeS: number): boolean {
  return past.length === MAX_PAST && timeS < past[0]!.untilS;
}

/** What a reading of this instant is judged by: the counter that held then. */
export function frontAt(head: ChannelRow, timeS: number): Front {
  return head.past?.find(({ untilS }) => timeS < untilS) ?? head;
}

export function withFront(head: ChannelRow, timeS: number, front: Front): ChannelRow {
  const { segments, past = [], accepted, flagged } = head;
  const at = past.findIndex(({ untilS }) => timeS < untilS);
  if (at === -1) return { ...keptSince(head), segments, ...front, past, accepted, flagged };
  const counters = past.with(at, { untilS: past[at]!.untilS, ...front });
  return { ...keptSince(head), segments, ...frontRow(head), past: counters, accepted, flagged };
}

export function keptSince({ sinceS }: ChannelRow): Pick<ChannelRow, 'sinceS'> {
  return sinceS === undefined ? {} : { sinceS };
}

export function sinceWith({ sinceS, accepted }: ChannelRow, timeS: number): number {
  // A row of readings without it says nothing of how old they are.
  return Math.min(sinceS ?? (accepted === 0 ? timeS : 0), timeS);
}

/** Fields in one order, so that the row's text is canonical. */
export function putHead(rows: Rows, { meter, quantity }: ChannelRef, head: ChannelRow): void {
  const { segments, accepted, flagged, past = [] } = head;
  const row = {
    ...keptSince(head),
    segments,
    ...frontRow(head),
    ...(past.length > 0 && { past: past.map(({ untilS, ...front }) => ({ untilS, ...frontRow(front) })) }),
    accepted,
    flagged,
  };
  putRow(rows, { meter, quantity }, row);
}

export function putRow(rows: Rows, { meter, quantity }: ChannelRef, row: ChannelRow): void {
  // Keys that are whole numbers stand in their order, whatever the order in which they came.
  rows.put('channel', meter, { ...rows.get('channel', meter), [quantity]: row });
}

function frontRow({ baseline, candidate }: { [Part in keyof Front]: Front[Part] | undefined }): Front {
  return { ...(baseline && { baseline }), ...(candidate && { candidate }) };
}
