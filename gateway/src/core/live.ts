import { type LivePower, Quantity, usePowerW } from '@commonwatt/firmware-protocol';
import type { MeterConfig } from './gateway-config.js';
import type { MeterReading } from './reading.js';

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
  readonly #last = new Map<number, MeterReading>();

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
      this.#last.set(reading.meterIndex, reading);
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

  /** Mean power since the last reading of the meter. A counter that fell says nothing. */
  #growthOf(reading: MeterReading): PowerByQuantity {
    const power: PowerByQuantity = new Map();
    const last = this.#last.get(reading.meterIndex);
    const elapsedMs = last === undefined ? 0 : reading.atMs - last.atMs;
    if (last === undefined || elapsedMs <= 0) return power;
    for (const { quantity, value } of reading.counters) {
      const before = last.counters.find((counter) => counter.quantity === quantity);
      const channel = this.#meters.get(reading.meterIndex)?.channels.find((other) => other.quantity === quantity);
      if (before === undefined || channel === undefined || value < before.value) continue;
      const energyWh = Number(value - before.value) * 10 ** channel.exponent;
      power.set(quantity, (energyWh * 3_600_000) / elapsedMs);
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
