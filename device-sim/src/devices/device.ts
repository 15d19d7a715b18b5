import type { Quantity } from '@commonwatt/firmware-protocol';
import type { Profile } from '@commonwatt/firmware-protocol/registers';
import type { RegisterSource } from '../modbus/answer.js';
import type { LineFault } from '../modbus/fault.js';
import type { PortKeeper } from '../modbus/port-keeper.js';
import { ModbusServer } from '../modbus/server.js';
import { bendState, type DeviceState, type ValueFault } from './device-state.js';
import type { RegisterImage } from './register-image.js';
import { sunSpecImage } from './sunspec-image.js';
import { tableImage } from './table-image.js';

export interface DeviceOptions {
  readonly profile: Profile;
  /** Which of the profile's counters this device keeps. */
  readonly channels: readonly Quantity[];
  readonly serial: number;
  readonly host: string;
  readonly port: number;
  readonly keeper: PortKeeper;
  /** What it measures at this moment. Called for every request. */
  readonly measure: () => DeviceState;
}

export type DeviceFault =
  | { readonly on: 'line'; readonly fault: LineFault }
  | { readonly on: 'values'; readonly fault: Exclude<ValueFault, { kind: 'frozen' }> | { readonly kind: 'frozen' } }
  | { readonly on: 'scale'; readonly energyScale: number }
  | { readonly on: 'port' };

/** One simulated device: a profile's registers over what it measures, on a Modbus TCP server of its own. */
export class SimDevice {
  readonly profile: Profile;
  readonly channels: readonly Quantity[];
  readonly server: ModbusServer;
  readonly #options: DeviceOptions;
  #lie: { readonly fault: ValueFault; left: number } | undefined;
  #energyScale = 0;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.profile = options.profile;
    this.channels = options.channels;
    const source: RegisterSource = {
      functions: this.#image(options.measure()).functions,
      read: (functionCode, address, count) => this.#image(this.#said()).read(functionCode, address, count),
    };
    const { host, port, keeper, profile } = options;
    this.server = new ModbusServer({ host, port, keeper, unit: profile.unit, source });
  }

  /** Misbehaves for `count` requests, or until healed. `port` refuses connections until healed. */
  async setFault(fault: DeviceFault, count = Number.POSITIVE_INFINITY): Promise<void> {
    switch (fault.on) {
      case 'line':
        return this.server.setFault(fault.fault, count);
      case 'values':
        this.#lie = { fault: this.#toLie(fault.fault), left: count };
        return;
      case 'scale':
        this.#energyScale = fault.energyScale;
        return;
      case 'port':
        return this.server.refuse();
    }
  }

  async heal(): Promise<void> {
    this.server.setFault(undefined);
    this.#lie = undefined;
    this.#energyScale = 0;
    await this.server.accept();
  }

  #toLie(fault: Exclude<ValueFault, { kind: 'frozen' }> | { readonly kind: 'frozen' }): ValueFault {
    return fault.kind === 'frozen' ? { kind: 'frozen', state: this.#options.measure() } : fault;
  }

  #said(): DeviceState {
    const lie = this.#lie;
    if (lie !== undefined && --lie.left <= 0) this.#lie = undefined;
    return bendState(this.#options.measure(), lie?.fault);
  }

  #image(state: DeviceState): RegisterImage {
    const { profile, channels, serial } = this.#options;
    if (profile.kind === 'table') return tableImage(profile, state, serial);
    return sunSpecImage(state, {
      base: 40000,
      serial,
      inverter: channels.includes(3),
      meter: channels.includes(1),
      energyScale: this.#energyScale,
    });
  }
}
