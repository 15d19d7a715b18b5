/**
 * The edges of one counter as its readings stand now, each looked up once. Where the community estimates (SETTLEMENT 2.1),
 * an edge inside an outage lies on the even spread between the known edges around it.
 */
import { mulDiv } from '@commonwatt/firmware-protocol';
import type { Quality } from '../records/index.js';
import type { Rows } from '../working-set.js';
import {
  type Edge,
  type Energy,
  edgeAt,
  edgeReachS,
  energyBetween,
  goesOn,
  type IntervalSettings,
  wasReadAt,
} from './edges.js';
import { type EdgeSearch, nextKnownEdge, previousKnownEdge } from './known-edges.js';
import { Readings } from './packed-readings.js';
import { type ChannelRef, channelHead, DAY_S, readingsBetween } from './readings.js';

const ESTIMATED: Quality = 3;
/** A longer outage is not estimated: it bounds what one reading after it can change. */
export const MAX_OUTAGE_S = 366 * DAY_S;

/** 'read': there was a reading, but none that can be believed. */
export type FoundEdge = Edge | 'read' | undefined;

/** Two known edges with none between them, at most MAX_OUTAGE_S apart. */
interface Outage {
  readonly startS: number;
  readonly endS: number;
  readonly start: Edge;
  readonly end: Edge;
}

/** From one instant until another nothing is estimated. */
interface Unknown {
  readonly fromS: number;
  readonly untilS: number;
}

export class ChannelEdges {
  readonly #rows: Rows;
  readonly #channel: ChannelRef;
  readonly #settings: IntervalSettings;
  readonly #horizonS: number;
  readonly #reachS: number;
  readonly #read = new Map<number, FoundEdge>();
  /** The days whose readings are at hand; most edges lie in the middle of one. */
  #firstDay = Number.NaN;
  #lastDay = Number.NaN;
  #readings = Readings.NONE;
  /** The outage that was looked at last, and the last that is none; their neighbours in time are asked for next. */
  #outage: Outage | undefined;
  #unknown: Unknown = { fromS: Number.NaN, untilS: Number.NaN };

  /** `horizonS`: outages that end later count as open. */
  constructor(
    rows: Rows,
    channel: ChannelRef,
    settings: IntervalSettings,
    horizonS: number = Number.POSITIVE_INFINITY,
  ) {
    this.#rows = rows;
    this.#channel = channel;
    this.#settings = settings;
    this.#horizonS = horizonS;
    this.#reachS = edgeReachS(settings);
  }

  /** The edge as it counts. */
  at(edgeS: number): FoundEdge {
    const read = this.readAt(edgeS);
    if (typeof read === 'object' || this.#settings.estimatesOutages !== true) return read;
    return this.#estimatedAt(edgeS) ?? read;
  }

  /** The edge as far as it was read, without estimates. */
  readAt(edgeS: number): FoundEdge {
    const known = this.#read.get(edgeS);
    if (known !== undefined || this.#read.has(edgeS)) return known;
    const readings = this.#around(edgeS);
    const edge =
      edgeAt(readings, edgeS, this.#settings) ??
      (wasReadAt(readings, edgeS, this.#settings) ? ('read' as const) : undefined);
    this.#read.set(edgeS, edge);
    return edge;
  }

  /**
   * Energy from `startS` to the interval's end. 'disputed': the counter was read at both edges, but a leap, a step back or
   * a break of it lies between. Undefined: an edge is not known.
   */
  energy(startS: number): Energy | 'disputed' | undefined {
    const start = this.at(startS);
    const end = this.at(startS + this.#settings.intervalS);
    if (start === undefined || end === undefined) return undefined;
    if (start === 'read' || end === 'read') return 'disputed';
    return energyBetween(start, end) ?? 'disputed';
  }

  /** An edge was read there. */
  isKnown(edgeS: number): boolean {
    return typeof this.readAt(edgeS) === 'object';
  }

  /** The last instant up to `edgeS`, at most an outage away, at which an edge was read; undefined: there is none. */
  knownUntil(edgeS: number): number | undefined {
    return this.isKnown(edgeS) ? edgeS : previousKnownEdge(this.#search(), edgeS);
  }

  /** The first instant from `edgeS` on, at most an outage away, at which an edge was read; undefined: there is none. */
  knownFrom(edgeS: number): number | undefined {
    return this.isKnown(edgeS) ? edgeS : nextKnownEdge(this.#search(), edgeS);
  }

  /** start + floor(energy of the outage x intervals up to here / intervals of the outage): the parts sum to the whole. */
  #estimatedAt(edgeS: number): Edge | undefined {
    const outage = this.#outageAround(edgeS);
    if (outage === undefined || !goesOn(outage.start, outage.end)) return undefined;
    const { start, end, startS, endS } = outage;
    const { intervalS } = this.#settings;
    const [passed, all] = [(edgeS - startS) / intervalS, (endS - startS) / intervalS];
    const riseMwh = mulDiv(end.valueMwh - start.valueMwh, passed, all).quotient;
    return { valueMwh: start.valueMwh + riseMwh, quality: ESTIMATED, segment: start.segment };
  }

  #outageAround(edgeS: number): Outage | undefined {
    const last = this.#outage;
    if (last !== undefined && edgeS > last.startS && edgeS < last.endS) return last;
    if (edgeS >= this.#unknown.fromS && edgeS < this.#unknown.untilS) return undefined;
    const { sinceS } = channelHead(this.#rows, this.#channel);
    if (sinceS !== undefined && edgeS < sinceS) return undefined;
    // Forward first: while an outage goes on, that ends at once.
    const endS = nextKnownEdge(this.#search(), edgeS);
    if (endS === undefined) return undefined;
    const startS = endS > this.#horizonS ? undefined : previousKnownEdge(this.#search(), edgeS);
    if (startS === undefined || endS - startS > MAX_OUTAGE_S) {
      // No known edge lies between here and there: what is asked for next would be looked for as far again.
      this.#unknown = { fromS: edgeS, untilS: endS };
      return undefined;
    }
    this.#outage = { startS, endS, start: this.readAt(startS) as Edge, end: this.readAt(endS) as Edge };
    return this.#outage;
  }

  #search(): EdgeSearch {
    return {
      rows: this.#rows,
      channel: this.#channel,
      settings: this.#settings,
      maxOutageS: MAX_OUTAGE_S,
      isKnown: (edgeS) => this.isKnown(edgeS),
    };
  }

  #around(edgeS: number): Readings {
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
