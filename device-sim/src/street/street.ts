import { Quantity } from '@commonwatt/firmware-protocol';
import { findProfile } from '@commonwatt/firmware-protocol/registers';
import type { SimClock } from '../clock.js';
import { SimDevice } from '../devices/device.js';
import type { DeviceState } from '../devices/device-state.js';
import { PortKeeper } from '../modbus/port-keeper.js';
import type { ModbusServerStats } from '../modbus/server.js';
import { type CounterName, energiesOf, type HomeMoment, type HomeState, SimHome } from './home.js';
import { subSeed } from './noise.js';
import { countsGeneration, type Scenario, type ScenarioHome } from './scenario.js';
import type { SavedStreet } from './state-file.js';
import { Truth } from './truth.js';

export interface StreetOptions {
  readonly scenario: Scenario;
  readonly clock: SimClock;
  readonly host: string;
  /** Devices take this port and the following ones; 0 takes free ones. */
  readonly firstPort: number;
  /** The truth is kept for the edges of this interval, a multiple of 10 s. */
  readonly intervalMs: number;
  readonly saved?: SavedStreet;
}

/** A home with its one or two devices. */
export interface StreetHome {
  readonly scenario: ScenarioHome;
  readonly sim: SimHome;
  readonly devices: readonly SimDevice[];
}

const COUNTER_OF: Readonly<Record<Quantity, CounterName | undefined>> = {
  [Quantity.gridImport]: 'import',
  [Quantity.gridExport]: 'export',
  [Quantity.generation]: 'generation',
  [Quantity.storageCharge]: 'charge',
  [Quantity.storageDischarge]: 'discharge',
  [Quantity.shapingImport]: undefined,
  [Quantity.shapingExport]: undefined,
};

/** A street of homes under one sky: what flows, what the meters say of it, and the truth of what happened. */
export class Street {
  readonly homes: readonly StreetHome[];
  readonly truth = new Truth();
  readonly #options: StreetOptions;
  readonly #keeper = new PortKeeper();

  constructor(options: StreetOptions) {
    this.#options = options;
    let port = options.firstPort;
    this.homes = options.scenario.homes.map((home, place) => {
      const { location, seed: streetSeed } = options.scenario;
      const sim = new SimHome({ home, location, streetSeed, place }, options.saved?.get(home.id));
      const devices = deviceChannels(home).map(
        ({ profile, channels }, index) =>
          new SimDevice({
            profile: findProfile(profile),
            channels,
            serial: subSeed(home.seed, `${home.id}/${index}`),
            host: options.host,
            port: port === 0 ? 0 : port++,
            keeper: this.#keeper,
            measure: () => this.#measure(sim, channels),
          }),
      );
      return { scenario: home, sim, devices };
    });
  }

  /** Opens every device's port. Throws `cannot-listen`, and then none is open. */
  async start(): Promise<void> {
    try {
      for (const { devices } of this.homes) for (const { server } of devices) await server.accept();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  stop(): void {
    for (const { devices } of this.homes) for (const { server } of devices) server.stop();
    this.#keeper.stop();
  }

  /** Brings every home to the clock's present, so that nothing is left for a request to catch up on. */
  advance(): void {
    for (const { sim } of this.homes) this.#advance(sim);
  }

  get saved(): SavedStreet {
    return new Map(this.homes.map(({ scenario, sim }) => [scenario.id, sim.snapshots]));
  }

  get stats(): ModbusServerStats {
    const all = this.homes.flatMap(({ devices }) => devices.map(({ server }) => server.stats));
    return {
      requests: all.reduce((sum, one) => sum + one.requests, 0),
      connections: all.reduce((sum, one) => sum + one.connections, 0),
    };
  }

  #advance(sim: SimHome): number | undefined {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs !== undefined) sim.advance(nowMs, (state) => this.#witness(sim, state));
    return nowMs;
  }

  #witness(sim: SimHome, state: HomeState): void {
    if (state.timeMs % this.#options.intervalMs !== 0) return;
    const { home } = sim.setting;
    const energiesMwh = energiesOf(state.counters);
    deviceChannels(home).forEach(({ channels }, meter) => {
      for (const quantity of channels) {
        const register = COUNTER_OF[quantity];
        if (register === undefined) continue;
        this.truth.add({ timeMs: state.timeMs, home: home.id, meter, register, energyMwh: energiesMwh[register] });
      }
    });
  }

  #measure(sim: SimHome, channels: readonly Quantity[]): DeviceState {
    const moment = sim.momentAt(this.#advance(sim));
    const isGridMeter = channels.includes(Quantity.gridImport);
    return {
      countersMwh: countersOf(moment, channels),
      gridMw: isGridMeter ? moment.flow.importMw - moment.flow.exportMw : 'absent',
      generationMw: channels.includes(Quantity.generation) ? moment.flow.generationMw : 'absent',
    };
  }
}

/** A meter at the connection point shows both directions, whether or not the home ever feeds in. */
function countersOf({ countersMwh }: HomeMoment, channels: readonly Quantity[]): Map<Quantity, number> {
  const shown = channels.includes(Quantity.gridImport) ? [Quantity.gridExport, ...channels] : channels;
  const counters = new Map<Quantity, number>();
  for (const quantity of shown) {
    const name = COUNTER_OF[quantity];
    if (name !== undefined) counters.set(quantity, countersMwh[name]);
  }
  return counters;
}

/** Which device of a home counts what. */
export function deviceChannels(home: ScenarioHome): { profile: string; channels: Quantity[] }[] {
  const [grid, generation] = home.meters;
  const hasSun = home.panels.length > 0;
  const channels: Quantity[] = [Quantity.gridImport];
  if (hasSun) channels.push(Quantity.gridExport);
  if (hasSun && generation === undefined && countsGeneration(grid)) channels.push(Quantity.generation);
  if (home.battery !== undefined && grid === 'reference') {
    channels.push(Quantity.storageCharge, Quantity.storageDischarge);
  }
  const devices = [{ profile: grid, channels }];
  if (generation !== undefined) devices.push({ profile: generation, channels: [Quantity.generation] });
  return devices;
}
