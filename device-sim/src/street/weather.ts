import SunCalc from 'suncalc';
import { smoothNoise, subSeed } from './noise.js';
import type { Location, Panels } from './scenario.js';

/** The sky over the street at one moment. Floats are at home here: this is weather. */
export interface Sky {
  /** Radians above the horizon. */
  readonly sunAltitude: number;
  /** Radians, compass: 0 north, pi/2 east. */
  readonly sunAzimuth: number;
  /** W/m2 on a plane that faces the sun, clouds taken off. */
  readonly directW: number;
  /** W/m2 on the ground from the rest of the sky. */
  readonly diffuseW: number;
}

const HOUR_MS = 3_600_000;
const SOLAR_CONSTANT_W = 1353;
const ALBEDO = 0.2;
/** Inverter, wires, dirt, warmth. */
const PERFORMANCE = 0.86;
const STANDARD_W = 1000;
/** Clouds drift: a home further along the street sees them a little later. */
const DRIFT_MS = 20_000;

/** A pure function of place, seed and time. `offset` is the home's place along the street. */
export function skyAt(location: Location, seed: number, timeMs: number, offset = 0): Sky {
  const sun = SunCalc.getPosition(new Date(timeMs), location.latitude, location.longitude);
  const height = Math.sin(sun.altitude);
  // SunCalc counts azimuth from south, west positive.
  const sunAzimuth = sun.azimuth + Math.PI;
  if (height <= 0) return { sunAltitude: sun.altitude, sunAzimuth, directW: 0, diffuseW: 0 };
  const cloud = cloudCover(seed, timeMs - offset * DRIFT_MS);
  // Kasten and Young's air mass, and the clear-sky intensity of Meinel.
  const altitudeDegrees = (sun.altitude * 180) / Math.PI;
  const airMass = 1 / (height + 0.50572 * (altitudeDegrees + 6.07995) ** -1.6364);
  const clearW = SOLAR_CONSTANT_W * 0.7 ** (airMass ** 0.678);
  const directW = clearW * (1 - cloud) ** 1.5;
  const diffuseW = clearW * height * (0.1 + 0.25 * cloud);
  return { sunAltitude: sun.altitude, sunAzimuth, directW, diffuseW };
}

/** What a field of panels feeds in, in milliwatts, never more than its nameplate. */
export function panelPowerMw(panels: Panels, sky: Sky): number {
  if (sky.sunAltitude <= 0) return 0;
  const tilt = (panels.tiltDegrees * Math.PI) / 180;
  const azimuth = (panels.azimuthDegrees * Math.PI) / 180;
  const incidence =
    Math.sin(sky.sunAltitude) * Math.cos(tilt) +
    Math.cos(sky.sunAltitude) * Math.sin(tilt) * Math.cos(sky.sunAzimuth - azimuth);
  const groundW = sky.directW * Math.sin(sky.sunAltitude) + sky.diffuseW;
  const planeW =
    sky.directW * Math.max(0, incidence) +
    (sky.diffuseW * (1 + Math.cos(tilt))) / 2 +
    (groundW * ALBEDO * (1 - Math.cos(tilt))) / 2;
  const powerMw = panels.kwp * 1e6 * Math.min(1, (planeW / STANDARD_W) * PERFORMANCE);
  return Math.round(powerMw);
}

/** 0 clear, 1 overcast: fronts of days, fields of hours, single clouds of minutes. */
function cloudCover(seed: number, timeMs: number): number {
  const noise = (purpose: string, periodMs: number) => smoothNoise(subSeed(seed, purpose), timeMs, periodMs);
  const mixed =
    0.5 * noise('front', 30 * HOUR_MS) + 0.32 * noise('field', 3 * HOUR_MS) + 0.18 * noise('cloud', HOUR_MS / 5);
  return Math.min(1, Math.max(0, (mixed - 0.33) / 0.37));
}
