import type { Quantity } from '@commonwatt/firmware-protocol';
import type { Absent } from '@commonwatt/firmware-protocol/registers';

/** What a device measures at one moment. A quantity that is not in the map is none of its counters. */
export interface DeviceState {
  /** Lifetime counters in mWh, safe integers >= 0. */
  readonly countersMwh: ReadonlyMap<Quantity, number | Absent>;
  /** Power at the connection point in milliwatts, import positive. */
  readonly gridMw: number | Absent;
  /** Power of the roof in milliwatts, >= 0. */
  readonly generationMw: number | Absent;
}

/** How a device lies: its line is fine, what it says is not. */
export type ValueFault =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'sentinels' }
  /** All counters lower, or higher, by that much. */
  | { readonly kind: 'step-back' | 'leap'; readonly energyMwh: number }
  /** What it said when the fault began. */
  | { readonly kind: 'frozen'; readonly state: DeviceState };

/** What the device says instead of the truth. A counter never falls below zero, nor passes 2^53 - 1 mWh. */
export function bendState(state: DeviceState, fault: ValueFault | undefined): DeviceState {
  switch (fault?.kind) {
    case undefined:
      return state;
    case 'zeros':
      return { countersMwh: mapCounters(state, () => 0), gridMw: 0, generationMw: 0 };
    case 'sentinels':
      return { countersMwh: mapCounters(state, () => 'absent'), gridMw: 'absent', generationMw: 'absent' };
    case 'step-back':
      return { ...state, countersMwh: mapCounters(state, (value) => Math.max(0, value - fault.energyMwh)) };
    case 'leap':
      return {
        ...state,
        countersMwh: mapCounters(state, (value) => Math.min(Number.MAX_SAFE_INTEGER, value + fault.energyMwh)),
      };
    case 'frozen':
      return fault.state;
  }
}

function mapCounters(state: DeviceState, change: (value: number) => number | Absent): Map<Quantity, number | Absent> {
  const changed = new Map<Quantity, number | Absent>();
  for (const [quantity, value] of state.countersMwh) {
    changed.set(quantity, value === 'absent' ? value : change(value));
  }
  return changed;
}
