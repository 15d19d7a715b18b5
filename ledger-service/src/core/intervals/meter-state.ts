/** What one meter contributes to an interval (SETTLEMENT 2 and 3). */
import { mulDiv, Quantity } from '@commonwatt/firmware-protocol';
import type { ChannelRecord, Quality } from '../records/index.js';
import type { MeterRow, StoredReading } from '../rows.js';
import type { Rows } from '../working-set.js';
import {
  type Edge,
  type Energy,
  edgeAt,
  edgeReachS,
  energyBetween,
  type IntervalSettings,
  wasReadAt,
} from './edges.js';
import { type ChannelRef, DAY_S, isNetted, readingsBetween } from './readings.js';

const MISSING: Quality = 4;
const DISPUTED: Quality = 5;

export interface MeterState {
  /** mWh; undefined where the meter has no such counter, or takes no part. */
  readonly importMwh: number | undefined;
  readonly exportMwh: number | undefined;
  readonly quality: Quality;
  /** Both edges of the primary counter are known. */
  readonly hasEdges: boolean;
}

/** A meter takes part by its import counter, or, where it has none at all, by its export counter. */
export function primaryChannel(meter: Pick<MeterRow, 'channels'>): ChannelRecord | undefined {
  return channelOf(meter, Quantity.gridImport) ?? channelOf(meter, Quantity.gridExport);
}

type FoundEdge = Edge | 'read' | undefined;

/** Edges of one counter as its readings stand now, each looked up once. */
class ChannelEdges {
  readonly #rows: Rows;
  readonly #channel: ChannelRef;
  readonly #settings: IntervalSettings;
  readonly #reachS: number;
  readonly #edges = new Map<number, FoundEdge>();
  /** The days whose readings are at hand; most edges lie in the middle of one. */
  #firstDay = Number.NaN;
  #lastDay = Number.NaN;
  #readings: readonly StoredReading[] = [];

  constructor(rows: Rows, channel: ChannelRef, settings: IntervalSettings) {
    this.#rows = rows;
    this.#channel = channel;
    this.#settings = settings;
    this.#reachS = edgeReachS(settings);
  }

  at(edgeS: number): FoundEdge {
    const known = this.#edges.get(edgeS);
    if (known !== undefined || this.#edges.has(edgeS)) return known;
    const readings = this.#around(edgeS);
    const edge =
      edgeAt(readings, edgeS, this.#settings) ??
      (wasReadAt(readings, edgeS, this.#settings) ? ('read' as const) : undefined);
    this.#edges.set(edgeS, edge);
    return edge;
  }

  #around(edgeS: number): readonly StoredReading[] {
    const firstDay = Math.floor((edgeS - this.#reachS) / DAY_S);
    const lastDay = Math.floor((edgeS + this.#reachS) / DAY_S);
    if (firstDay !== this.#firstDay || lastDay !== this.#lastDay) {
      this.#readings = readingsBetween(this.#rows, this.#channel, firstDay * DAY_S, lastDay * DAY_S);
      this.#firstDay = firstDay;
      this.#lastDay = lastDay;
    }
    return this.#readings;
  }
}

/** Edges of one meter's counters. */
export class EdgeCache {
  readonly settings: IntervalSettings;
  readonly #rows: Rows;
  readonly #meter: string;
  readonly #channels = new Map<number, ChannelEdges>();

  constructor(rows: Rows, meter: string, settings: IntervalSettings) {
    this.#rows = rows;
    this.#meter = meter;
    this.settings = settings;
  }

  /**
   * Energy from `startS` to the interval's end. 'disputed': the counter was read at both edges, but a leap, a step back or
   * a break of it lies between. Undefined: an edge is not known.
   */
  energy(quantity: number, startS: number): Energy | 'disputed' | undefined {
    const edges = this.#channel(quantity);
    const start = edges.at(startS);
    const end = edges.at(startS + this.settings.intervalS);
    if (start === undefined || end === undefined) return undefined;
    if (start === 'read' || end === 'read') return 'disputed';
    return energyBetween(start, end) ?? 'disputed';
  }

  #channel(quantity: number): ChannelEdges {
    let edges = this.#channels.get(quantity);
    if (edges === undefined) {
      edges = new ChannelEdges(this.#rows, { meter: this.#meter, quantity }, this.settings);
      this.#channels.set(quantity, edges);
    }
    return edges;
  }
}

export function meterState(edges: EdgeCache, meter: Pick<MeterRow, 'channels'>, startS: number): MeterState {
  const { intervalS } = edges.settings;
  const primary = primaryChannel(meter)?.quantity;
  let hasEdges = false;
  let isDisputed = false;
  let quality: Quality = 0;
  let importMwh: number | undefined;
  let exportMwh: number | undefined;
  for (const { quantity, limitW } of meter.channels) {
    if (!isNetted(quantity)) continue;
    const found = edges.energy(quantity, startS);
    const energy = typeof found === 'object' ? found : undefined;
    if (found === 'disputed' || exceeds(energy, limitW, intervalS)) isDisputed = true;
    if (energy !== undefined && energy.quality > quality) quality = energy.quality;
    if (quantity === primary) hasEdges = energy !== undefined;
    // Without both edges it counts as nothing.
    const energyMwh = energy?.energyMwh ?? 0;
    if (quantity === Quantity.gridImport) importMwh = energyMwh;
    else exportMwh = energyMwh;
  }
  if (hasEdges && !isDisputed) return { importMwh, exportMwh, quality, hasEdges };
  return { importMwh: undefined, exportMwh: undefined, quality: hasEdges ? DISPUTED : MISSING, hasEdges };
}

/** More than the nameplate on average over the interval: mWh x 3.6 > W x s. */
function exceeds(energy: Energy | undefined, limitW: number, intervalS: number): boolean {
  if (energy === undefined || limitW === 0) return false;
  if (limitW * intervalS >= Number.MAX_SAFE_INTEGER) return false;
  return energy.energyMwh > mulDiv(limitW * intervalS, 10, 36).quotient;
}

function channelOf({ channels }: Pick<MeterRow, 'channels'>, quantity: number): ChannelRecord | undefined {
  return channels.find((channel) => channel.quantity === quantity);
}
