import { type LivePower, Quantity, usePowerW } from '@commonwatt/firmware-protocol';
import type { MeterConfig } from './gateway-config.js';
import { channelName, type MeterReading } from './reading.js';

/** What the home does now, for a page and a table. Never booked. */
export interface LiveView extends LivePower {
  readonly useW: number;
}

/** Power from one quantity of one meter, in watts. */
type PowerByQuantity = Map<Quantity, number>;

/**
 * Power now, from what the meters say of it and, where they say nothing, from what their counters grew since the reading
 * before.
 */
export class LiveMeter {
  readonly #meters: ReadonlyMap<number, MeterConfig>;
  /** The newest value of each counter, by meter and quantity. */
  readonly #last = new Map<string, { readonly atMs: number; readonly value: bigint }>();

  constructor(meters: readonly MeterConfig[]) {
    this.#meters = new Map(meters.map((meter) => [meter.index, meter]));
  }

  /** The readings of one round. Undefined when there was none. */
  look(readings: readonly MeterReading[]): LiveView | undefined {
    if (readings.length === 0) return undefined;
    const total: PowerByQuantity = new Map();
    for (const reading of readings) {
      for (const [quantity, powerW] of this.#powerOf(reading)) {
        total.set(quantity, (total.get(quantity) ?? 0) + powerW);
      }
    }
    const live = toLivePower(Math.max(...readings.map(({ atMs }) => atMs)), total);
    return { ...live, useW: usePowerW(live) };
  }

  #powerOf(reading: MeterReading): PowerByQuantity {
    const power = this.#growthOf(reading);
    const { gridW, generationW } = reading.power;
    if (gridW !== undefined) {
      power.set(Quantity.gridImport, Math.max(0, gridW));
      power.set(Quantity.gridExport, Math.max(0, -gridW));
    }
    if (generationW !== undefined) power.set(Quantity.generation, Math.max(0, generationW));
    return power;
  }

  /** Mean power since the last reading of each counter. One that fell says nothing. */
  #growthOf({ meterIndex, atMs, counters }: MeterReading): PowerByQuantity {
    const power: PowerByQuantity = new Map();
    for (const { quantity, value } of counters) {
      const name = channelName({ meterIndex, quantity });
      const before = this.#last.get(name);
      this.#last.set(name, { atMs, value });
      const channel = this.#meters.get(meterIndex)?.channels.find((other) => other.quantity === quantity);
      if (before === undefined || channel === undefined || value < before.value || atMs <= before.atMs) continue;
      const energyWh = Number(value - before.value) * 10 ** channel.exponent;
      power.set(quantity, (energyWh * 3_600_000) / (atMs - before.atMs));
    }
    return power;
  }
}

function toLivePower(atMs: number, total: PowerByQuantity): LivePower {
  const whole = (quantity: Quantity) => {
    const powerW = total.get(quantity);
    return powerW === undefined || powerW > Number.MAX_SAFE_INTEGER ? undefined : Math.round(powerW);
  };
  const [importW, exportW, generationW] = [Quantity.gridImport, Quantity.gridExport, Quantity.generation].map(whole);
  const [chargeW, dischargeW] = [Quantity.storageCharge, Quantity.storageDischarge].map(whole);
  return {
    atMs: Math.max(0, Math.floor(atMs)),
    ...(importW !== undefined && { importW }),
    ...(exportW !== undefined && { exportW }),
    ...(generationW !== undefined && { generationW }),
    ...(chargeW !== undefined && { chargeW }),
    ...(dischargeW !== undefined && { dischargeW }),
  };
}
