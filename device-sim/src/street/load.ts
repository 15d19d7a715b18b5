import { chance, smoothNoise, subSeed } from './noise.js';
import type { LoadShape, Location } from './scenario.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_HOURS = 8760;
/** Kettle, oven, tools: this share of the energy comes in bursts. */
const BURST_SHARE = 0.3;
const BURST_SLOT_MS = 180_000;

interface Curve {
  /** Relative power of each hour, local solar time. */
  readonly weekday: readonly number[];
  readonly weekend: readonly number[];
  /** How much more winter takes than the mean, and how much less summer. */
  readonly winter: number;
  readonly burstW: number;
}

const CURVES: Readonly<Record<LoadShape, Curve>> = {
  household: {
    weekday: [5, 4, 4, 4, 4, 5, 9, 12, 11, 9, 9, 10, 13, 11, 9, 9, 10, 13, 17, 19, 18, 15, 11, 7],
    weekend: [6, 5, 4, 4, 4, 4, 6, 9, 13, 15, 15, 16, 18, 16, 13, 12, 12, 13, 16, 18, 17, 15, 12, 8],
    winter: 0.15,
    burstW: 2000,
  },
  worker: {
    weekday: [5, 4, 4, 4, 4, 7, 15, 14, 6, 4, 4, 4, 4, 4, 4, 5, 9, 17, 24, 25, 22, 17, 11, 7],
    weekend: [6, 5, 4, 4, 4, 4, 5, 8, 13, 16, 15, 15, 17, 15, 12, 11, 12, 14, 17, 19, 18, 15, 12, 8],
    winter: 0.15,
    burstW: 1800,
  },
  heatpump: {
    weekday: [9, 9, 9, 9, 10, 13, 17, 17, 15, 12, 11, 11, 12, 11, 10, 10, 12, 15, 18, 18, 16, 14, 12, 10],
    weekend: [9, 9, 9, 9, 9, 10, 12, 15, 17, 16, 14, 14, 14, 13, 12, 11, 12, 14, 17, 17, 16, 14, 12, 10],
    winter: 0.7,
    burstW: 2200,
  },
  shop: {
    weekday: [6, 6, 6, 6, 6, 8, 14, 24, 30, 32, 33, 34, 34, 33, 33, 33, 32, 31, 28, 18, 9, 7, 6, 6],
    weekend: [6, 6, 6, 6, 6, 6, 9, 16, 22, 25, 26, 25, 22, 18, 14, 10, 8, 7, 7, 7, 6, 6, 6, 6],
    winter: 0.05,
    burstW: 3000,
  },
  commons: {
    weekday: [8, 8, 8, 8, 8, 9, 11, 12, 12, 12, 12, 13, 13, 12, 12, 12, 13, 16, 20, 22, 21, 18, 13, 9],
    weekend: [8, 8, 8, 8, 8, 8, 9, 10, 11, 13, 14, 14, 14, 14, 14, 14, 15, 17, 20, 22, 21, 18, 13, 9],
    winter: 0.2,
    burstW: 1500,
  },
};

/** The load of a home in milliwatts: a pure function of shape, yearly energy, place, seed and time. */
export function loadPowerMw(
  load: { readonly shape: LoadShape; readonly yearlyKwh: number },
  location: Location,
  seed: number,
  timeMs: number,
): number {
  const curve = CURVES[load.shape];
  const localMs = timeMs + (location.longitude / 15) * HOUR_MS;
  const meanW = (load.yearlyKwh * 1000) / YEAR_HOURS;
  const expectedW = meanW * hourly(curve, localMs) * seasonal(curve, location, timeMs);
  // 0.5 + noise has mean 1, so that the year's energy stays what the scenario says.
  const steady = (1 - BURST_SHARE) * (0.5 + smoothNoise(subSeed(seed, 'load'), timeMs, HOUR_MS / 3));
  const burstChance = Math.min(1, (BURST_SHARE * expectedW) / curve.burstW);
  const isBurst = chance(subSeed(seed, 'burst'), Math.floor(timeMs / BURST_SLOT_MS)) < burstChance;
  return Math.round(1000 * (expectedW * steady + (isBurst ? curve.burstW : 0)));
}

/** 1 in the mean over a week, running straight from the middle of one hour to that of the next. */
function hourly(curve: Curve, localMs: number): number {
  const hour = localMs / HOUR_MS - 0.5;
  const from = Math.floor(hour);
  const at = (index: number) => {
    // 1970-01-01 was a Thursday.
    const day = (Math.floor(index / 24) + 4) % 7;
    return (day === 0 || day === 6 ? curve.weekend : curve.weekday)[((index % 24) + 24) % 24]!;
  };
  return (at(from) * (1 - (hour - from)) + at(from + 1) * (hour - from)) / weeklyMean(curve);
}

function weeklyMean({ weekday, weekend }: Curve): number {
  const sum = (hours: readonly number[]) => hours.reduce((total, one) => total + one, 0);
  return (5 * sum(weekday) + 2 * sum(weekend)) / (7 * 24);
}

/** 1 in the mean over a year; highest in the middle of January, on the southern half of the earth of July. */
function seasonal(curve: Curve, location: Location, timeMs: number): number {
  const yearPlace = (timeMs / DAY_MS - 14) / 365.2425;
  return 1 + (location.latitude < 0 ? -1 : 1) * curve.winter * Math.cos(2 * Math.PI * yearPlace);
}
