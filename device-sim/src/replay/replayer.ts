import { Quantity } from '@commonwatt/firmware-protocol';
import { findProfile } from '@commonwatt/firmware-protocol/registers';
import { SimDevice } from '../devices/device.js';
import type { DeviceState } from '../devices/device-state.js';
import { PortKeeper } from '../modbus/port-keeper.js';
import type { ModbusServerStats } from '../modbus/server.js';
import type { RecordedHome, RegisterFile } from './register-file.js';
import type { RegisterName } from './row.js';

const QUANTITIES: Readonly<Record<RegisterName, Quantity>> = {
  import: Quantity.gridImport,
  export: Quantity.gridExport,
  pv: Quantity.generation,
};
const NOTHING_YET_MS = Number.NaN;

/** One home of a recorded file behind a reference meter. */
export interface ReplayedHome {
  readonly id: string;
  readonly recorded: RecordedHome;
  readonly device: SimDevice;
}

/**
 * Puts a recorded file on Modbus servers, one reference meter a home, and shows one instant at a time: a register
 * without a reading stamped exactly so answers "not available", a home without any refuses the connection. Nothing
 * is repeated, interpolated or made up.
 */
export class Replayer {
  readonly homes: readonly ReplayedHome[];
  readonly #keeper = new PortKeeper();
  #shownMs = NOTHING_YET_MS;

  constructor(file: RegisterFile, host: string) {
    this.homes = file.homes.map((recorded, index) => ({
      id: recorded.id,
      recorded,
      device: new SimDevice({
        profile: findProfile('reference'),
        channels: [...recorded.series.keys()].map((register) => QUANTITIES[register]),
        serial: index + 1,
        host,
        port: 0,
        keeper: this.#keeper,
        measure: () => this.#measure(recorded),
      }),
    }));
  }

  /** Takes a port for every home. Until the first instant is shown, nobody has a value and all refuse. */
  async start(): Promise<void> {
    for (const { device } of this.homes) await device.server.accept();
    await Promise.all(this.homes.map(({ device }) => device.server.refuse()));
  }

  /** Shows that instant; resolves once every home listens or refuses as it should. */
  async show(timeMs: number): Promise<void> {
    this.#shownMs = timeMs;
    await Promise.all(
      this.homes.map(({ recorded, device: { server } }) =>
        hasReading(recorded, timeMs) ? server.accept() : server.refuse(),
      ),
    );
  }

  get stats(): ModbusServerStats {
    const all = this.homes.map(({ device }) => device.server.stats);
    return {
      requests: all.reduce((sum, one) => sum + one.requests, 0),
      connections: all.reduce((sum, one) => sum + one.connections, 0),
    };
  }

  stop(): void {
    for (const { device } of this.homes) device.server.stop();
    this.#keeper.stop();
  }

  #measure({ series }: RecordedHome): DeviceState {
    const countersMwh = new Map<Quantity, number | 'absent'>();
    for (const [register, one] of series) countersMwh.set(QUANTITIES[register], one.at(this.#shownMs) ?? 'absent');
    return { countersMwh, gridMw: 'absent', generationMw: 'absent' };
  }
}

function hasReading({ series }: RecordedHome, timeMs: number): boolean {
  return [...series.values()].some((one) => one.at(timeMs) !== undefined);
}
