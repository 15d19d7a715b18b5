/** Which rows a decision will touch: loaded ahead in one read, so that deciding rarely has to stop for one. */
import { type FramePayload, sampleTimesS } from '@commonwatt/firmware-protocol';
import { MAX_OUTAGE_S } from './intervals/channel-edges.js';
import { edgeReachS, type IntervalSettings } from './intervals/edges.js';
import { type ChannelRef, channelHead, DAY_S, isNetted } from './intervals/readings.js';
import { type MeterRow, openingKey, type RowTable, readingsKey, startKey, tileKey } from './rows.js';
import type { RowRef, Rows } from './working-set.js';

/**
 * Rows that are not loaded yet, each once. The frames of a batch speak of the same intervals, and of days that are mostly
 * there: what was looked at for one is not looked at again.
 */
export class MissingRows {
  readonly refs: RowRef[] = [];
  readonly #rows: Rows;
  readonly #asked = new Map<RowTable, Set<string>>();
  /** By its first instant the last one of a stretch whose intervals were looked at. */
  readonly #stretches = new Map<number, number>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  add(table: RowTable, key: string): void {
    if (this.#rows.isLoaded(table, key)) return;
    let asked = this.#asked.get(table);
    if (asked === undefined) {
      asked = new Set();
      this.#asked.set(table, asked);
    }
    if (asked.has(key)) return;
    asked.add(key);
    this.refs.push({ table, key });
  }

  addReadings(meter: string, fromS: number, toS: number): void {
    for (let dayS = startOfDay(fromS); dayS <= toS; dayS += DAY_S) this.add('readings', readingsKey(meter, dayS));
  }

  addIntervals(fromS: number, toS: number, settings: IntervalSettings): void {
    if ((this.#stretches.get(fromS) ?? Number.NEGATIVE_INFINITY) >= toS) return;
    this.#stretches.set(fromS, toS);
    for (const startS of startsBetween(fromS, toS, settings)) this.add('interval', startKey(startS));
  }
}

const startOfDay = (timeS: number): number => Math.floor(timeS / DAY_S) * DAY_S;

/** Starts of the days from one instant to another. */
function daysBetween(fromS: number, toS: number): number[] {
  const days: number[] = [];
  for (let dayS = Math.floor(fromS / DAY_S) * DAY_S; dayS <= toS; dayS += DAY_S) days.push(dayS);
  return days;
}

function readingsRefs(meter: string, fromS: number, toS: number): RowRef[] {
  return daysBetween(fromS, toS).map((dayS) => ({ table: 'readings', key: readingsKey(meter, dayS) }));
}

/**
 * How far from a changed reading others are looked at: it reaches an edge, whose interval's other edge reaches as far again.
 */
const readingsMarginS = (settings: IntervalSettings): number => 2 * edgeReachS(settings) + settings.intervalS;
const intervalsMarginS = (settings: IntervalSettings): number => edgeReachS(settings) + settings.intervalS;
/** Beyond so many rows, what outages reach is asked for when the end of each is decided on: a batch may speak of many. */
const MAX_HINTED_ROWS = 100_000;

/** What accepting a frame touches and is not loaded: its channels' readings around it, the intervals beside them. */
export function addRowsOfFrame(
  missing: MissingRows,
  rows: Rows,
  { kid, payload }: { readonly kid: string; readonly payload: FramePayload },
  settings: IntervalSettings,
): void {
  const timesS = sampleTimesS(payload);
  const marginS = readingsMarginS(settings);
  const firstS = timesS[0]!;
  const usual = spansAround(timesS, marginS);
  for (const channel of enrolledChannels(rows, kid, payload)) {
    const { baseline, candidate } = channelHead(rows, channel);
    // A sample that is not the newest has to fit between its neighbours of a day to either side.
    const isLate = baseline !== undefined && firstS <= baseline.timeS;
    const near = candidate === undefined ? timesS : [candidate.timeS, ...timesS];
    const isUsual = !isLate && near === timesS;
    for (const [fromS, toS] of isUsual ? usual : spansAround(near, isLate ? Math.max(DAY_S, marginS) : marginS)) {
      missing.addReadings(channel.meter, fromS, toS);
    }
  }
  if (missing.refs.length < MAX_HINTED_ROWS) addRowsOfOutages(missing, rows, { kid, payload }, settings);
  for (const [fromS, toS] of spansAround(timesS, intervalsMarginS(settings))) {
    missing.addIntervals(fromS, toS, settings);
  }
}

/** What outages reach that a frame may end: all from the newest reading of each of its counters on. */
function addRowsOfOutages(
  missing: MissingRows,
  rows: Rows,
  { kid, payload }: { readonly kid: string; readonly payload: FramePayload },
  settings: IntervalSettings,
): void {
  if (!settings.estimatesOutages) return;
  const { startS } = payload;
  const marginS = readingsMarginS(settings);
  for (const channel of enrolledChannels(rows, kid, payload)) {
    const { baseline } = channelHead(rows, channel);
    if (baseline === undefined || startS - baseline.timeS <= marginS || startS - baseline.timeS > MAX_OUTAGE_S)
      continue;
    missing.addReadings(channel.meter, baseline.timeS, startS);
    missing.addIntervals(baseline.timeS, startS, settings);
  }
}

/** The same of one frame. */
export function rowsOfOutages(rows: Rows, kid: string, payload: FramePayload, settings: IntervalSettings): RowRef[] {
  const missing = new MissingRows(rows);
  addRowsOfOutages(missing, rows, { kid, payload }, settings);
  return missing.refs;
}

/** What accepting one frame touches. */
export function rowsOfFrame(rows: Rows, kid: string, payload: FramePayload, settings: IntervalSettings): RowRef[] {
  const missing = new MissingRows(rows);
  addRowsOfFrame(missing, rows, { kid, payload }, settings);
  return missing.refs;
}

/** Channels of a frame that are enrolled; a frame has at most 16. */
function enrolledChannels(rows: Rows, kid: string, { channels }: FramePayload): readonly ChannelRef[] {
  const meters = rows.get('device', kid)?.meters ?? [];
  const enrolled: ChannelRef[] = [];
  for (const { meterIndex, quantity } of channels) {
    const meter = meters.find(({ index }) => index === meterIndex);
    if (meter?.channels.some((channel) => channel.quantity === quantity)) enrolled.push({ meter: meter.id, quantity });
  }
  return enrolled;
}

/** The stretches of time within `marginS` of any of the instants, apart from each other. */
function spansAround(timesS: readonly number[], marginS: number): readonly (readonly [number, number])[] {
  const spans: [number, number][] = [];
  for (const timeS of timesS) {
    const last = spans.at(-1);
    if (last !== undefined && timeS >= last[0] && timeS - marginS <= last[1])
      last[1] = Math.max(last[1], timeS + marginS);
    else spans.push([Math.max(0, timeS - marginS), timeS + marginS]);
  }
  return spans;
}

/** Starts of the intervals that touch the stretch, and of the one before. */
function startsBetween(fromS: number, toS: number, { intervalS }: IntervalSettings): number[] {
  const starts: number[] = [];
  const first = Math.max(0, Math.floor(fromS / intervalS) * intervalS - intervalS);
  for (let startS = first; startS <= toS; startS += intervalS) starts.push(startS);
  return starts;
}

/** Readings of one counter from `fromS` to `untilS`, with those around that a fold of them looks at. */
export function rowsOfReadings(
  { meter }: ChannelRef,
  { fromS, untilS }: { fromS: number; untilS: number },
  settings: IntervalSettings,
): RowRef[] {
  const marginS = readingsMarginS(settings);
  return readingsRefs(meter, Math.max(0, fromS - Math.max(DAY_S, marginS)), untilS + marginS);
}

/** Intervals that readings of these instants, rising, can have a part in. */
export function rowsOfIntervalsNear(timesS: readonly number[], settings: IntervalSettings): RowRef[] {
  return spansAround(timesS, intervalsMarginS(settings)).flatMap(([fromS, toS]) =>
    startsBetween(fromS, toS, settings).map((startS) => ({ table: 'interval', key: startKey(startS) }) as const),
  );
}

/** The readings of these meters' netted counters in these days since 1970. */
export function rowsOfReadingDays(meters: readonly (readonly [string, MeterRow])[], days: readonly number[]): RowRef[] {
  const netted = meters.filter(([, { channels }]) => channels.some(({ quantity }) => isNetted(quantity)));
  return days.flatMap((day) =>
    netted.map(([id]) => ({ table: 'readings', key: readingsKey(id, day * DAY_S) }) as const),
  );
}

/** Lines and totals of a settlement's version. */
export function rowsOfVersion(index: number): RowRef[] {
  return [0, 1].map((part) => ({ table: 'opening', key: openingKey(index, part) }));
}

/** The tiles that the next append writes to: the last one of each level. */
export function rowsOfAppend(size: number): RowRef[] {
  const refs: RowRef[] = [];
  let count = size;
  for (let level = 0; count > 0; level++) {
    refs.push({ table: 'tile', key: tileKey(level, Math.floor(count / 256)) });
    count = Math.floor(count / 256);
  }
  return refs;
}
