/** The street that is soaked: its homes, its clock, and how long an interval is. */

export const INTERVAL_S = 300;
const HOMES = 24;
/** Homes of one gateway process. */
export const HOMES_A_PROCESS = 4;
/** Simulated seconds in a second: each home seals a frame an interval, so all of them 50 in a second. */
export const SPEED = (50 / HOMES) * INTERVAL_S;
/** Each meter is read in the middle of an interval too. */
export const POLL_S = 150;
/** An edge without a reading nearby is interpolated over one interval at most; what is missed for longer is estimated. */
export const MAX_SPAN_S = INTERVAL_S;
const DAY_S = 86_400;
/** Rows of the truth file that the simulator keeps; older ones make room. */
const TRUTH_ROWS = 450_000;
const REGISTERS = 5;
const TRUTH_GRIDS_S = [60, 300, 900, 3_600, 14_400];

export interface StreetTimes {
  /** The first edge: a midnight, so far back that the simulated end is behind the real clock. */
  readonly startS: number;
  readonly truthS: number;
  readonly graceS: number;
}

/** For a run of so many minutes. */
export function timesOf(minutes: number, nowS: number): StreetTimes {
  // Half as long again, for what the machine is slow at.
  const simulatedS = Math.ceil(minutes * 60 * SPEED * 1.5) + DAY_S / 2;
  const startS = Math.floor((nowS - simulatedS) / DAY_S) * DAY_S;
  const truthS = TRUTH_GRIDS_S.find((gridS) => (simulatedS / gridS) * HOMES * REGISTERS < TRUTH_ROWS);
  return { startS, truthS: truthS ?? DAY_S, graceS: Math.ceil(nowS - startS) + 2 * DAY_S };
}

export interface StreetHome {
  readonly id: string;
  readonly profile: string;
}

/** Homes for the simulator: sun on two of three, and on one of four a meter with float counters instead of exact ones. */
export function streetHomes(random: () => number): readonly object[] {
  return Array.from({ length: HOMES }, (_, at) => {
    const hasSun = at % 3 !== 2;
    return {
      id: `h${String(at + 1).padStart(2, '0')}`,
      seed: Math.floor(random() * 2 ** 32),
      ...(hasSun && { panels: [{ kwp: 3 + Math.floor(random() * 12), tilt_deg: 35, azimuth_deg: 90 + at * 7 }] }),
      load: { shape: at % 5 === 4 ? 'heatpump' : 'household', yearly_kwh: 2_000 + Math.floor(random() * 4_000) },
      ...(at % 6 === 0 && { battery: { kwh: 8, kw: 4 } }),
      meters: [at % 4 === 3 ? 'eastron-sdm630' : 'reference'],
      start_kwh: { import: Math.floor(random() * 9_000), export: Math.floor(random() * 3_000) },
    };
  });
}
