import { loadPowerMw } from './load.js';
import { subSeed } from './noise.js';
import type { Location, ScenarioHome } from './scenario.js';
import { panelPowerMw, skyAt } from './weather.js';

/** What flows through a home during one step, in whole milliwatts, each >= 0. Import or export is 0. */
export interface Flow {
  readonly importMw: number;
  readonly exportMw: number;
  readonly generationMw: number;
  readonly chargeMw: number;
  readonly dischargeMw: number;
}

/** Power is constant for this long; every interval's edge is a step's edge. */
export const STEP_MS = 10_000;
/** One mWh in milliwatt-milliseconds, the unit of everything below a mWh. */
export const MW_MS_PER_MWH = 3_600_000;
/** Of what charges a battery, so much comes out again; the loss is taken on the way in. */
const BATTERY_YIELD_PERCENT = 92;

/** Where a home stands: its place in the street moves the clouds, its seed everything else. */
export interface HomeSetting {
  readonly home: ScenarioHome;
  readonly location: Location;
  readonly streetSeed: number;
  readonly place: number;
}

/** Most that a battery holds, in mW ms. */
export function batteryCapacityMwMs(home: ScenarioHome): number {
  return Math.floor((home.battery?.kwh ?? 0) * 1e6) * MW_MS_PER_MWH;
}

/** The flow of the step that begins at `timeMs`, with that much in the battery (mW ms). Pure. */
export function flowAt({ home, location, streetSeed, place }: HomeSetting, timeMs: number, storedMwMs: number): Flow {
  const sky = skyAt(location, streetSeed, timeMs, place);
  const generationMw = home.panels.reduce((sum, panels) => sum + panelPowerMw(panels, sky), 0);
  const loadMw = loadPowerMw(home.load, location, subSeed(streetSeed, `${home.seed}`), timeMs);
  const surplusMw = generationMw - loadMw;
  const chargeMw = surplusMw > 0 ? Math.min(surplusMw, chargeLimitMw(home, storedMwMs)) : 0;
  const dischargeMw = surplusMw < 0 ? Math.min(-surplusMw, dischargeLimitMw(home, storedMwMs)) : 0;
  const netMw = loadMw + chargeMw - generationMw - dischargeMw;
  return {
    importMw: Math.max(0, netMw),
    exportMw: Math.max(0, -netMw),
    generationMw,
    chargeMw,
    dischargeMw,
  };
}

/** What is in the battery after `durationMs` of a flow; never below 0, never above the capacity. */
export function storedAfter(storedMwMs: number, flow: Flow, durationMs: number): number {
  const inMwMs = Math.floor((flow.chargeMw * durationMs * BATTERY_YIELD_PERCENT) / 100);
  return storedMwMs + inMwMs - flow.dischargeMw * durationMs;
}

/** So that a whole step fits under the capacity. */
function chargeLimitMw(home: ScenarioHome, storedMwMs: number): number {
  const roomMw = Math.floor((batteryCapacityMwMs(home) - storedMwMs) / STEP_MS);
  return Math.max(0, Math.min(ratedMw(home), Math.floor((roomMw * 100) / BATTERY_YIELD_PERCENT)));
}

function dischargeLimitMw(home: ScenarioHome, storedMwMs: number): number {
  return Math.max(0, Math.min(ratedMw(home), Math.floor(storedMwMs / STEP_MS)));
}

function ratedMw(home: ScenarioHome): number {
  return Math.floor((home.battery?.kw ?? 0) * 1e6);
}
