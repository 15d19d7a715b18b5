/** Counters of a street's meters at any instant: two homes of five have a roof, the sun shines nine and a half hours. */
import type { FrameChannel, Quantity } from '@commonwatt/firmware-protocol';
import type { FrameContent } from './sealing-box.js';

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
const SUNRISE_S = 7.25 * HOUR_S;
const SUNSET_S = 16.75 * HOUR_S;
const MWH_PER_WS = 1 / 3.6;
const ROOF_EVERY = 5;
const ROOFS_OF_THEM = 2;

/** Counters in mWh as they stand now. */
export interface MeterState {
  importMwh: number;
  exportMwh: number;
  generationMwh: number;
}

/** One meter at the connection point; `advance` lets a step of time pass. */
export class StreetMeter {
  readonly #home: number;
  readonly #roofW: number;
  readonly state: MeterState = { importMwh: 5_000_000_000, exportMwh: 2_000_000_000, generationMwh: 3_000_000_000 };

  constructor(home: number) {
    this.#home = home;
    this.#roofW = home % ROOF_EVERY < ROOFS_OF_THEM ? 4_000 + 500 * (home % 7) : 0;
  }

  /** The counters after the step that ends at `endS`. */
  advance(endS: number, stepS: number): MeterState {
    const loadW = 120 + Math.floor(700 * noise(this.#home, endS));
    const sunW = this.#roofW * sunAt(endS - stepS / 2) * (0.5 + 0.5 * noise(this.#home + 7_919, endS));
    const gridMwh = Math.round((loadW - sunW) * stepS * MWH_PER_WS);
    if (gridMwh > 0) this.state.importMwh += gridMwh;
    else this.state.exportMwh -= gridMwh;
    this.state.generationMwh += Math.round(sunW * stepS * MWH_PER_WS);
    return this.state;
  }

  /** A frame of `instants` readings, the first at `startS`; time goes on to the last. */
  frame(input: { startS: number; stepS: number; instants: number; quantities: readonly Quantity[] }): FrameContent {
    const { startS, stepS, instants, quantities } = input;
    const values: number[][] = quantities.map(() => []);
    for (let i = 0; i < instants; i++) {
      const state = this.advance(startS + i * stepS, stepS);
      for (const [at, quantity] of quantities.entries()) values[at]!.push(counterOf(state, quantity));
    }
    const channels = quantities.map((quantity, at) => channelOf(quantity, values[at]!));
    return { startS, step: instants === 1 ? [] : stepS, channels };
  }
}

function counterOf({ importMwh, exportMwh, generationMwh }: MeterState, quantity: Quantity): number {
  if (quantity === 1) return importMwh;
  return quantity === 2 ? exportMwh : generationMwh;
}

function channelOf(quantity: Quantity, values: readonly number[]): FrameChannel {
  const deltas = values.slice(1).map((value, i) => value - values[i]!);
  return { meterIndex: 0, quantity, status: 0, first: BigInt(values[0]!), deltas };
}

/** 0 at night, 1 at noon. */
function sunAt(timeS: number): number {
  const secondOfDay = timeS % DAY_S;
  if (secondOfDay <= SUNRISE_S || secondOfDay >= SUNSET_S) return 0;
  return Math.sin((Math.PI * (secondOfDay - SUNRISE_S)) / (SUNSET_S - SUNRISE_S));
}

/** 0 to 1, the same for the same home and instant in every run. */
function noise(home: number, timeS: number): number {
  let x = Math.imul(home + 1, 0x9e3779b1) ^ Math.imul(timeS, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
}
