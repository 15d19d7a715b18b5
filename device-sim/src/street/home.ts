import { addEnergy, type Counter } from './counter.js';
import { batteryCapacityMwMs, type Flow, flowAt, type HomeSetting, STEP_MS, storedAfter } from './flow.js';
import { chance, subSeed } from './noise.js';
import type { ScenarioHome, StartCounters } from './scenario.js';

/** A home's recent states that a street keeps for whoever resumes it. */
export const MAX_SNAPSHOTS = 12;
const SNAPSHOT_EVERY_MS = 300_000;

export const COUNTER_NAMES = ['import', 'export', 'generation', 'charge', 'discharge'] as const;
export type CounterName = (typeof COUNTER_NAMES)[number];
export type Counters = Readonly<Record<CounterName, Counter>>;

/** A home at the edge of a step: all that is needed to go on. */
export interface HomeState {
  readonly timeMs: number;
  readonly counters: Counters;
  readonly storedMwMs: number;
}

/** A home at any moment: its counters, and the powers of the step that the moment lies in. */
export interface HomeMoment {
  readonly countersMwh: Readonly<Record<CounterName, number>>;
  readonly flow: Flow;
}

/** More than any pause of a running street; over the part of a jump that is longer, the meters stand still. */
export const MAX_CATCH_UP_MS = 7 * 24 * 3_600_000;

/** Where a home begins when nobody has seen it before, at the step that `timeMs` lies in. */
export function firstState(home: ScenarioHome, timeMs: number): HomeState {
  const start = home.start ?? guessStart(home);
  const counter = (energyMwh: number): Counter => ({ energyMwh, restMwMs: 0 });
  return {
    timeMs: Math.floor(timeMs / STEP_MS) * STEP_MS,
    counters: {
      import: counter(start.importMwh),
      export: counter(start.exportMwh),
      generation: counter(start.generationMwh),
      charge: counter(start.chargeMwh),
      discharge: counter(start.dischargeMwh),
    },
    storedMwMs: Math.floor(batteryCapacityMwMs(home) / 2),
  };
}

/** What a few years leave behind on the meters of such a home. */
function guessStart(home: ScenarioHome): StartCounters {
  const years = 1 + 5 * chance(subSeed(home.seed, 'years'), 0);
  const kwp = home.panels.reduce((sum, panels) => sum + panels.kwp, 0);
  const energyMwh = (kwh: number, purpose: string) =>
    Math.floor(kwh * years * 1e6 * (0.9 + 0.2 * chance(subSeed(home.seed, purpose), 0)));
  const storageKwh = 200 * (home.battery?.kwh ?? 0);
  return {
    importMwh: energyMwh(home.load.yearlyKwh * (kwp > 0 ? 0.65 : 1), 'import'),
    exportMwh: energyMwh(kwp * 620, 'export'),
    generationMwh: energyMwh(kwp * 950, 'generation'),
    chargeMwh: energyMwh(storageKwh, 'charge'),
    dischargeMwh: energyMwh(storageKwh * 0.9, 'discharge'),
  };
}

/** The state one step later. Pure: the same state gives the same next one. */
export function stepHome(setting: HomeSetting, state: HomeState): HomeState {
  const flow = flowAt(setting, state.timeMs, state.storedMwMs);
  return {
    timeMs: state.timeMs + STEP_MS,
    counters: countersAfter(state.counters, flow, STEP_MS),
    storedMwMs: storedAfter(state.storedMwMs, flow, STEP_MS),
  };
}

/** What the meters show within the step that `state` begins; an earlier time shows its beginning. */
export function momentOf(setting: HomeSetting, state: HomeState, timeMs: number): HomeMoment {
  const flow = flowAt(setting, state.timeMs, state.storedMwMs);
  return { countersMwh: energiesOf(countersAfter(state.counters, flow, Math.max(0, timeMs - state.timeMs))), flow };
}

function restingMoment(state: HomeState): HomeMoment {
  const flow = { importMw: 0, exportMw: 0, generationMw: 0, chargeMw: 0, dischargeMw: 0 };
  return { countersMwh: energiesOf(state.counters), flow };
}

/** Whole mWh of each counter. */
export function energiesOf(counters: Counters): Readonly<Record<CounterName, number>> {
  return {
    import: counters.import.energyMwh,
    export: counters.export.energyMwh,
    generation: counters.generation.energyMwh,
    charge: counters.charge.energyMwh,
    discharge: counters.discharge.energyMwh,
  };
}

function countersAfter(counters: Counters, flow: Flow, durationMs: number): Counters {
  return {
    import: addEnergy(counters.import, flow.importMw, durationMs),
    export: addEnergy(counters.export, flow.exportMw, durationMs),
    generation: addEnergy(counters.generation, flow.generationMw, durationMs),
    charge: addEnergy(counters.charge, flow.chargeMw, durationMs),
    discharge: addEnergy(counters.discharge, flow.dischargeMw, durationMs),
  };
}

/** A home on its way through time. Goes forward only. */
export class SimHome {
  readonly setting: HomeSetting;
  readonly #saved: readonly HomeState[];
  #state: HomeState | undefined;
  #snapshots: readonly HomeState[] = [];
  #moment: { readonly timeMs: number; readonly moment: HomeMoment } | undefined;

  /** `saved`: states to go on from, oldest first; the newest that is not in the future is taken. */
  constructor(setting: HomeSetting, saved: readonly HomeState[] = []) {
    this.setting = setting;
    this.#saved = saved;
  }

  /** States to save, oldest first: some recent ones, and the newest. */
  get snapshots(): readonly HomeState[] {
    if (this.#state === undefined) return this.#saved;
    const kept = this.#snapshots.filter(({ timeMs }) => timeMs !== this.#state?.timeMs);
    return [...kept.slice(1 - MAX_SNAPSHOTS), this.#state];
  }

  /**
   * Integrates every step up to the one that `timeMs` lies in, telling `onEdge` of each step's edge passed. Earlier
   * times change nothing. Over more than seven days the meters stand still for the part before.
   */
  advance(timeMs: number, onEdge: (state: HomeState) => void = () => {}): void {
    let state = this.#state ?? this.#begin(timeMs);
    if (this.#state === undefined) onEdge(state);
    if (timeMs - state.timeMs > MAX_CATCH_UP_MS) {
      state = { ...state, timeMs: Math.floor((timeMs - MAX_CATCH_UP_MS) / STEP_MS) * STEP_MS };
    }
    while (state.timeMs + STEP_MS <= timeMs) {
      state = stepHome(this.setting, state);
      if (state.timeMs % SNAPSHOT_EVERY_MS === 0) {
        this.#snapshots = [...this.#snapshots.slice(1 - MAX_SNAPSHOTS), state];
      }
      onEdge(state);
    }
    this.#state = state;
  }

  /**
   * What the meters show at that moment, or at the beginning of the present state if that is later. Without a time
   * nothing flows yet.
   */
  momentAt(timeMs: number | undefined): HomeMoment {
    if (timeMs === undefined) return restingMoment(this.#state ?? this.#begin(0));
    if (this.#moment?.timeMs === timeMs) return this.#moment.moment;
    this.advance(timeMs);
    const moment = momentOf(this.setting, this.#state!, timeMs);
    this.#moment = { timeMs, moment };
    return moment;
  }

  #begin(timeMs: number): HomeState {
    const past = this.#saved.findLast((state) => state.timeMs <= timeMs);
    return past ?? this.#saved[0] ?? firstState(this.setting.home, timeMs);
  }
}
