import { Quantity } from '../../frame.js';
import type { Profile, ProfileChannel } from '../profile.js';

/**
 * Eastron SDM series, "Modbus protocol" manual, table of input registers: function 4, IEEE 754 float32, high word
 * first, wire address = (register - 30001). Energies are in kWh. The counters have no rollover in common.
 */
const CHANNELS: readonly ProfileChannel[] = [
  // 30073 "Import active energy since last reset, kWh"
  counterKwh(Quantity.gridImport, 72),
  // 30075 "Export active energy since last reset, kWh"
  counterKwh(Quantity.gridExport, 74),
];

function counterKwh(quantity: ProfileChannel['quantity'], address: number): ProfileChannel {
  return {
    quantity,
    point: { address, type: 'float32' },
    unitExponent: 3,
    exponent: 0,
    widthBits: 64,
    zeroIsValue: false,
  };
}

const SERIES = {
  kind: 'table',
  function: 4,
  wordOrder: 'high-first',
  // Eastron allows 80 registers (40 values); converters and older firmware have been seen to refuse more than 50.
  maxBlock: 50,
  minGapMs: 50,
  unit: 1,
  channels: CHANNELS,
  // Holding registers, 64513 "Serial number, uint32".
  serial: { function: 3, address: 0xfc00, count: 2, form: 'uint32', everyCycle: false },
} as const;

/** Three-phase meter. */
export const eastronSdm630: Profile = {
  ...SERIES,
  name: 'eastron-sdm630',
  title: 'Eastron SDM630 three-phase meter',
  datasheet: 'Eastron SDM630 Modbus protocol, input registers 30001 to 30387',
  // 30001 to 30080 answer as one range, with zeros where nothing is defined.
  bridge: 20,
  // 30053 "Total system power, watts": positive for import.
  powers: [{ kind: 'grid', point: { address: 52, type: 'float32' } }],
};

/** Single-phase meter: 30053 is not defined, the power of L1 is the total. */
export const eastronSdm230: Profile = {
  ...SERIES,
  name: 'eastron-sdm230',
  title: 'Eastron SDM230 single-phase meter',
  datasheet: 'Eastron SDM230 Modbus protocol, input registers 30001 to 30387',
  bridge: 0,
  // 30013 "Active power, watts": positive for import.
  powers: [{ kind: 'grid', point: { address: 12, type: 'float32' } }],
};
