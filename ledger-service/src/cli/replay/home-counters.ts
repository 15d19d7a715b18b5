/** Homes' registers as the ledger holds them after a replay, and which of their readings went into the books. */
import { ChannelEdges } from '../../core/intervals/channel-edges.js';
import { edgeToleranceS, type IntervalSettings } from '../../core/intervals/edges.js';
import type { MeterDay } from '../../core/intervals/meter-day.js';
import type { Readings } from '../../core/intervals/packed-readings.js';
import type { ChannelRef } from '../../core/intervals/readings.js';
import { intervalSettings } from '../../core/settings.js';
import type { Rows } from '../../core/working-set.js';
import { type CommunityReader, keyAfter } from '../../usecases/queries/reader.js';
import { LoadedRows } from '../../usecases/queries/rows-loader.js';
import type { RecordedFile, RecordedHome } from './recorded-file.js';

const ROWS_A_READ = 5_000;

export interface StreetCounters {
  readonly homes: readonly HomeCounters[];
  /** Rows that the computation misses are loaded, and it runs again. */
  run<Result>(compute: (rows: Rows) => Result): Promise<Result>;
}

export async function readCounters(reader: CommunityReader, file: RecordedFile): Promise<StreetCounters> {
  const settings = intervalSettings(await reader.communityRow());
  const rows = await LoadedRows.of(reader, ['channel']);
  const days = new Map<string, MeterDay[]>();
  let from = '';
  for (;;) {
    const part = await reader.scan('readings', { from, limit: ROWS_A_READ });
    for (const [key, day] of part) {
      rows.keep('readings', key, day);
      const meter = key.slice(0, key.lastIndexOf('/'));
      days.set(meter, [...(days.get(meter) ?? []), day]);
    }
    const last = part[part.length - 1];
    if (last === undefined || part.length < ROWS_A_READ) break;
    from = keyAfter(last[0]);
  }
  const homes = file.homes.map((home) => new HomeCounters(home, settings, days.get(home.id) ?? []));
  return { homes, run: (compute) => rows.run(compute) };
}

export class HomeCounters {
  readonly id: string;
  readonly #counters: ReadonlyMap<number, Counter>;

  constructor({ id, quantities }: RecordedHome, settings: IntervalSettings, days: readonly MeterDay[]) {
    this.id = id;
    this.#counters = new Map(
      quantities.map((quantity) => {
        const readings = days.map((day) => day.of(quantity));
        return [quantity, new Counter({ meter: id, quantity }, settings, readings)];
      }),
    );
  }

  /** Readings in the ledger, and those of them that an interval's energy was made of. */
  get counts(): { readonly stored: number; readonly booked: number } {
    const counters = [...this.#counters.values()];
    return {
      stored: counters.reduce((sum, { stored }) => sum + stored, 0),
      booked: counters.reduce((sum, { booked }) => sum + booked, 0),
    };
  }

  /** 0 where the register lacks an edge, or there is none. */
  energyMwh(rows: Rows, quantity: number, startS: number): number {
    return this.#counters.get(quantity)?.energyMwh(rows, startS) ?? 0;
  }

  /** The home took part: of each register that counted, what made the two edges went into the books. */
  book(rows: Rows, startS: number): void {
    for (const counter of this.#counters.values()) counter.book(rows, startS);
  }
}

class Counter {
  readonly stored: number;
  readonly #channel: ChannelRef;
  readonly #settings: IntervalSettings;
  /** Of the readings that can be edges, rising. */
  readonly #timesS: readonly number[];
  readonly #bookedS = new Set<number>();
  #edges: ChannelEdges | undefined;

  constructor(channel: ChannelRef, settings: IntervalSettings, days: readonly Readings[]) {
    this.#channel = channel;
    this.#settings = settings;
    this.stored = days.reduce((sum, { length }) => sum + length, 0);
    this.#timesS = days.flatMap((day) => [...day].filter(({ good }) => good).map(({ timeS }) => timeS));
  }

  get booked(): number {
    return this.#bookedS.size;
  }

  energyMwh(rows: Rows, startS: number): number {
    const energy = this.#edgesIn(rows).energy(startS);
    return typeof energy === 'object' ? energy.energyMwh : 0;
  }

  book(rows: Rows, startS: number): void {
    const edges = this.#edgesIn(rows);
    if (typeof edges.energy(startS) !== 'object') return;
    for (const edgeS of [startS, startS + this.#settings.intervalS]) {
      // An edge that is estimated stands on the known ones around it.
      for (const knownS of [edges.knownUntil(edgeS), edges.knownFrom(edgeS)]) {
        const timeS = knownS === undefined ? undefined : this.#nearest(knownS);
        if (timeS !== undefined) this.#bookedS.add(timeS);
      }
    }
  }

  #edgesIn(rows: Rows): ChannelEdges {
    this.#edges ??= new ChannelEdges(rows, this.#channel, this.#settings);
    return this.#edges;
  }

  /** Of two as near the earlier. */
  #nearest(edgeS: number): number | undefined {
    const toleranceS = edgeToleranceS(this.#settings.intervalS);
    let best: number | undefined;
    for (let i = lowerBound(this.#timesS, edgeS - toleranceS); i < this.#timesS.length; i += 1) {
      const timeS = this.#timesS[i]!;
      if (timeS > edgeS + toleranceS) break;
      if (best === undefined || Math.abs(timeS - edgeS) < Math.abs(best - edgeS)) best = timeS;
    }
    return best;
  }
}

function lowerBound(timesS: readonly number[], timeS: number): number {
  let low = 0;
  let high = timesS.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timesS[middle]! < timeS) low = middle + 1;
    else high = middle;
  }
  return low;
}
