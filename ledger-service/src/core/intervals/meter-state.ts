/** What one meter contributes to an interval (SETTLEMENT 2 and 3). */
import { mulDiv, Quantity } from '@commonwatt/firmware-protocol';
import type { ChannelRecord, Quality } from '../records/index.js';
import type { MeterRow } from '../rows.js';
import type { Rows } from '../working-set.js';
import { ChannelEdges } from './channel-edges.js';
import type { Energy, IntervalSettings } from './edges.js';
import { isNetted } from './readings.js';

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

/** Edges of one meter's counters. */
export class EdgeCache {
  readonly settings: IntervalSettings;
  readonly #rows: Rows;
  readonly #meter: string;
  readonly #horizonsS: ReadonlyMap<number, number>;
  readonly #channels = new Map<number, ChannelEdges>();

  /** `horizonsS`: by quantity, where outages that end later count as open. */
  constructor(
    rows: Rows,
    meter: string,
    settings: IntervalSettings,
    horizonsS: ReadonlyMap<number, number> = new Map(),
  ) {
    this.#rows = rows;
    this.#meter = meter;
    this.settings = settings;
    this.#horizonsS = horizonsS;
  }

  channel(quantity: number): ChannelEdges {
    let edges = this.#channels.get(quantity);
    if (edges === undefined) {
      const channel = { meter: this.#meter, quantity };
      edges = new ChannelEdges(this.#rows, channel, this.settings, this.#horizonsS.get(quantity));
      this.#channels.set(quantity, edges);
    }
    return edges;
  }
}

/** Without both edges of its primary counter a meter takes no part, whatever else is known. */
const NO_PART: MeterState = { importMwh: undefined, exportMwh: undefined, quality: MISSING, hasEdges: false };
const IN_DISPUTE: MeterState = { importMwh: undefined, exportMwh: undefined, quality: DISPUTED, hasEdges: true };

/** Both edges of the meter's primary counter are known: `meterState(...).hasEdges`. */
export function hasEdges(edges: EdgeCache, meter: Pick<MeterRow, 'channels'>, startS: number): boolean {
  const primary = primaryChannel(meter)?.quantity;
  return primary !== undefined && typeof edges.channel(primary).energy(startS) === 'object';
}

export function meterState(edges: EdgeCache, meter: Pick<MeterRow, 'channels'>, startS: number): MeterState {
  const { intervalS } = edges.settings;
  const primary = primaryChannel(meter)?.quantity;
  if (primary === undefined || typeof edges.channel(primary).energy(startS) !== 'object') return NO_PART;
  let quality: Quality = 0;
  let importMwh: number | undefined;
  let exportMwh: number | undefined;
  for (const { quantity, limitW } of meter.channels) {
    if (!isNetted(quantity)) continue;
    const found = edges.channel(quantity).energy(startS);
    const energy = typeof found === 'object' ? found : undefined;
    if (found === 'disputed' || exceeds(energy, limitW, intervalS)) return IN_DISPUTE;
    if (energy !== undefined && energy.quality > quality) quality = energy.quality;
    // Without both edges it counts as nothing.
    const energyMwh = energy?.energyMwh ?? 0;
    if (quantity === Quantity.gridImport) importMwh = energyMwh;
    else exportMwh = energyMwh;
  }
  return { importMwh, exportMwh, quality, hasEdges: true };
}

export function isSameState(a: MeterState, b: MeterState): boolean {
  return (
    a.hasEdges === b.hasEdges && a.importMwh === b.importMwh && a.exportMwh === b.exportMwh && a.quality === b.quality
  );
}

/** More than the nameplate on average over the interval: mWh x 3.6 > W x s. */
function exceeds(energy: Energy | undefined, limitW: number, intervalS: number): boolean {
  return energy !== undefined && energy.energyMwh > limitMwh(limitW, intervalS);
}

/** The most that a nameplate allows in an interval; infinite without a limit, and where it is more than a counter holds. */
export function limitMwh(limitW: number, intervalS: number): number {
  if (limitW === 0 || limitW * intervalS >= Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
  return mulDiv(limitW * intervalS, 10, 36).quotient;
}

function channelOf({ channels }: Pick<MeterRow, 'channels'>, quantity: number): ChannelRecord | undefined {
  return channels.find((channel) => channel.quantity === quantity);
}
