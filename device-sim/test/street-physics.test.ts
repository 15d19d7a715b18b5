import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addEnergy } from '../src/street/counter.js';
import {
  batteryCapacityMwMs,
  flowAt,
  type HomeSetting,
  MW_MS_PER_MWH,
  STEP_MS,
  storedAfter,
} from '../src/street/flow.js';
import {
  COUNTER_NAMES,
  energiesOf,
  firstState,
  type HomeState,
  momentOf,
  SimHome,
  stepHome,
} from '../src/street/home.js';
import { loadPowerMw } from '../src/street/load.js';
import { chance, smoothNoise } from '../src/street/noise.js';
import { LOAD_SHAPES, type ScenarioHome } from '../src/street/scenario.js';
import { panelPowerMw, skyAt } from '../src/street/weather.js';

const KONSTANZ = { latitude: 47.66, longitude: 9.17 };
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIDSUMMER_MS = Date.UTC(2024, 5, 21);

const settings = fc
  .record({
    seed: fc.nat(0xffff_ffff),
    kwp: fc.constantFrom(0, 3.5, 9.8, 30),
    yearlyKwh: fc.constantFrom(0, 1600, 4200, 60_000),
    shape: fc.constantFrom(...LOAD_SHAPES),
    batteryKwh: fc.constantFrom(0, 5, 10.2, 1000),
  })
  .map(({ seed, kwp, yearlyKwh, shape, batteryKwh }): HomeSetting => {
    const home: ScenarioHome = {
      id: 'h',
      class: 'household',
      seed,
      panels: kwp === 0 ? [] : [{ kwp, tiltDegrees: 35, azimuthDegrees: 180 }],
      load: { shape, yearlyKwh },
      ...(batteryKwh === 0 ? {} : { battery: { kwh: batteryKwh, kw: batteryKwh / 2 } }),
      meters: ['reference'],
    };
    return { home, location: KONSTANZ, streetSeed: 7, place: 3 };
  });
const moments = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2030, 0) });

describe('what flows through a home', () => {
  it('balances in every step: what comes in goes out, import and export never at once', () => {
    fc.assert(
      fc.property(settings, moments, fc.double({ min: 0, max: 1, noNaN: true }), (setting, timeMs, fill) => {
        const stored = Math.floor(batteryCapacityMwMs(setting.home) * fill);
        const flow = flowAt(setting, timeMs, stored);
        const seed = flowAt(setting, timeMs, stored);
        expect(seed).toEqual(flow);
        for (const power of Object.values(flow)) expect(Number.isSafeInteger(power) && power >= 0).toBe(true);
        expect(Math.min(flow.importMw, flow.exportMw)).toBe(0);
        expect(Math.min(flow.chargeMw, flow.dischargeMw)).toBe(0);
        const loadMw = flow.importMw + flow.generationMw + flow.dischargeMw - flow.exportMw - flow.chargeMw;
        expect(loadMw).toBeGreaterThanOrEqual(0);
        const after = storedAfter(stored, flow, STEP_MS);
        expect(after >= 0 && after <= batteryCapacityMwMs(setting.home)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is the same after going on from a saved state as without the pause', () => {
    fc.assert(
      fc.property(settings, moments, fc.integer({ min: 1, max: 200 }), (setting, timeMs, steps) => {
        let state: HomeState = firstState(setting.home, timeMs);
        for (let index = 0; index < steps; index++) state = stepHome(setting, state);
        const [half] = [Math.floor(steps / 2)];
        const home = new SimHome(setting);
        home.advance(timeMs);
        home.advance(timeMs + half * STEP_MS);
        const resumed = new SimHome(setting, JSON.parse(JSON.stringify(home.snapshots)) as HomeState[]);
        resumed.advance(state.timeMs);
        expect(resumed.snapshots.at(-1)).toEqual(state);
      }),
      { numRuns: 50 },
    );
  });
});

describe('counters', () => {
  it('agree with the power that is reported: exactly, over any number of steps', () => {
    fc.assert(
      fc.property(settings, moments, (setting, timeMs) => {
        let state = firstState(setting.home, timeMs);
        const first = state;
        const sums = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0n]));
        for (let index = 0; index < 100; index++) {
          const { flow } = momentOf(setting, state, state.timeMs);
          const powers = [flow.importMw, flow.exportMw, flow.generationMw, flow.chargeMw, flow.dischargeMw];
          COUNTER_NAMES.forEach((name, place) => {
            sums[name] = sums[name]! + BigInt(powers[place]!) * BigInt(STEP_MS);
          });
          state = stepHome(setting, state);
        }
        for (const name of COUNTER_NAMES) {
          const grown = BigInt(state.counters[name].energyMwh - first.counters[name].energyMwh);
          expect(grown * BigInt(MW_MS_PER_MWH) + BigInt(state.counters[name].restMwMs)).toBe(sums[name]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('never step back, within a step and from one to the next', () => {
    fc.assert(
      fc.property(
        settings,
        moments,
        fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 50 }),
        (setting, start, pauses) => {
          const home = new SimHome(setting);
          let timeMs = start;
          let before = home.momentAt(timeMs).countersMwh;
          for (const pause of pauses) {
            timeMs += pause;
            const now = home.momentAt(timeMs).countersMwh;
            for (const name of COUNTER_NAMES) expect(now[name]).toBeGreaterThanOrEqual(before[name]);
            before = now;
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('carry what is less than a mWh', () => {
    let counter = { energyMwh: 5, restMwMs: 0 };
    for (let index = 0; index < 3600; index++) counter = addEnergy(counter, 1, 1000);
    expect(counter).toEqual({ energyMwh: 6, restMwMs: 0 });
  });

  it('show the state of an edge exactly at the edge', () => {
    const [setting] = fc.sample(settings, { numRuns: 1, seed: 5 });
    const state = stepHome(setting!, firstState(setting!.home, MIDSUMMER_MS));
    expect(momentOf(setting!, state, state.timeMs).countersMwh).toEqual(energiesOf(state.counters));
  });
});

describe('a jump of the clock', () => {
  const [setting] = fc.sample(settings, { numRuns: 1, seed: 11 });

  it('integrates every step in between and tells every edge', () => {
    const edges: number[] = [];
    const home = new SimHome(setting!);
    home.advance(MIDSUMMER_MS);
    home.advance(MIDSUMMER_MS + DAY_MS, ({ timeMs }) => edges.push(timeMs));
    expect(edges).toHaveLength(DAY_MS / STEP_MS);
    const slow = new SimHome(setting!);
    for (let timeMs = MIDSUMMER_MS; timeMs <= MIDSUMMER_MS + DAY_MS; timeMs += 7 * STEP_MS) slow.advance(timeMs);
    slow.advance(MIDSUMMER_MS + DAY_MS);
    expect(slow.snapshots.at(-1)).toEqual(home.snapshots.at(-1));
  });

  it('is bounded: over more than a week the meters stand still for the part before', () => {
    const edges: number[] = [];
    const home = new SimHome(setting!);
    home.advance(MIDSUMMER_MS);
    home.advance(MIDSUMMER_MS + 365 * DAY_MS, ({ timeMs }) => edges.push(timeMs));
    expect(edges).toHaveLength((7 * DAY_MS) / STEP_MS);
    expect(home.snapshots.at(-1)?.timeMs).toBe(MIDSUMMER_MS + 365 * DAY_MS);
  });

  it('back changes nothing', () => {
    const home = new SimHome(setting!);
    home.advance(MIDSUMMER_MS);
    const before = home.snapshots;
    home.advance(MIDSUMMER_MS - DAY_MS);
    expect(home.snapshots).toEqual(before);
    expect(home.momentAt(MIDSUMMER_MS - DAY_MS).countersMwh).toEqual(home.momentAt(MIDSUMMER_MS).countersMwh);
  });

  it('resumes at the newest saved state that is not in the future', () => {
    const home = new SimHome(setting!);
    home.advance(MIDSUMMER_MS);
    home.advance(MIDSUMMER_MS + HOUR_MS / 2);
    const early = new SimHome(setting!, home.snapshots);
    early.advance(MIDSUMMER_MS + HOUR_MS / 4);
    const direct = new SimHome(setting!);
    direct.advance(MIDSUMMER_MS);
    direct.advance(MIDSUMMER_MS + HOUR_MS / 4);
    expect(early.snapshots.at(-1)).toEqual(direct.snapshots.at(-1));
  });
});

describe('sun and load', () => {
  const south = { kwp: 10, tiltDegrees: 35, azimuthDegrees: 180 };

  function yearKwh(powerMw: (timeMs: number) => number): number {
    let sum = 0;
    for (let timeMs = Date.UTC(2024, 0); timeMs < Date.UTC(2025, 0); timeMs += HOUR_MS / 4) sum += powerMw(timeMs) / 4;
    return sum / 1e6;
  }

  it('gives a south roof in Konstanz what such roofs give in a year, more in summer, nothing at night', () => {
    const power = (timeMs: number) => panelPowerMw(south, skyAt(KONSTANZ, 1, timeMs));
    const yearly = yearKwh(power) / south.kwp;
    expect(yearly).toBeGreaterThan(850);
    expect(yearly).toBeLessThan(1250);
    expect(power(MIDSUMMER_MS)).toBe(0);
    const dayKwh = (startMs: number) => {
      let sum = 0;
      for (let day = 0; day < 30; day++)
        for (let hour = 0; hour < 24; hour++) sum += power(startMs + day * DAY_MS + hour * HOUR_MS) / 1e6;
      return sum;
    };
    expect(dayKwh(Date.UTC(2024, 5, 1))).toBeGreaterThan(2 * dayKwh(Date.UTC(2024, 11, 1)));
  });

  it('lets an east roof peak before a west roof, and no roof pass its nameplate', () => {
    const peakHour = (azimuthDegrees: number) => {
      const power = (hour: number) =>
        panelPowerMw(
          { ...south, azimuthDegrees },
          { ...skyAt(KONSTANZ, 1, MIDSUMMER_MS + hour * HOUR_MS), directW: 800 },
        );
      return Array.from({ length: 24 }, (_, hour) => hour).toSorted((a, b) => power(b) - power(a))[0]!;
    };
    expect(peakHour(90)).toBeLessThan(peakHour(270));
    fc.assert(
      fc.property(moments, fc.nat(90), fc.nat(360), (timeMs, tiltDegrees, azimuthDegrees) => {
        const power = panelPowerMw({ kwp: 10, tiltDegrees, azimuthDegrees }, skyAt(KONSTANZ, 9, timeMs));
        expect(power >= 0 && power <= 10_000_000 && Number.isSafeInteger(power)).toBe(true);
      }),
    );
  });

  it.each(LOAD_SHAPES)('a %s takes the energy of its scenario in a year, within a tenth', (shape) => {
    const yearly = yearKwh((timeMs) => loadPowerMw({ shape, yearlyKwh: 4000 }, KONSTANZ, 42, timeMs));
    expect(Math.abs(yearly - 4000)).toBeLessThan(400);
  });

  it('knows no chance that the seed and the time do not decide', () => {
    expect(chance(1, 2 ** 40)).toBe(chance(1, 2 ** 40));
    expect(chance(1, 2 ** 40)).not.toBe(chance(1, 2 ** 40 + 2 ** 32));
    expect(chance(1, 5)).not.toBe(chance(2, 5));
    const samples = Array.from({ length: 10_000 }, (_, index) => chance(3, index));
    expect(Math.abs(samples.reduce((sum, one) => sum + one, 0) / 10_000 - 0.5)).toBeLessThan(0.02);
    fc.assert(
      fc.property(fc.nat(), moments, (seed, timeMs) => {
        const here = smoothNoise(seed, timeMs, HOUR_MS);
        expect(here >= 0 && here < 1).toBe(true);
        expect(Math.abs(smoothNoise(seed, timeMs + 1000, HOUR_MS) - here)).toBeLessThan(0.01);
      }),
    );
  });
});
