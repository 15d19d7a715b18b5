import { Quantity } from '../../frame.js';
import type { Profile, ProfileChannel } from '../profile.js';

/** A 64-bit counter in mWh. All ones mean "not available"; 0 is a reading like any other. */
function counterMwh(quantity: ProfileChannel['quantity'], address: number): ProfileChannel {
  return {
    quantity,
    point: { address, type: 'uint64' },
    unitExponent: -3,
    exponent: -3,
    widthBits: 64,
    zeroIsValue: true,
  };
}

/** The meter that the simulator and recorded files speak as: every counter exact, in one read of 24 registers. */
export const referenceMeter: Profile = {
  name: 'reference',
  title: 'Commonwatt reference meter',
  datasheet: 'firmware-protocol/src/registers/README.md, "The reference meter"',
  kind: 'table',
  function: 4,
  wordOrder: 'high-first',
  maxBlock: 125,
  bridge: 0,
  minGapMs: 0,
  unit: 1,
  channels: [
    counterMwh(Quantity.gridImport, 0),
    counterMwh(Quantity.gridExport, 4),
    counterMwh(Quantity.generation, 8),
    counterMwh(Quantity.storageCharge, 12),
    counterMwh(Quantity.storageDischarge, 16),
  ],
  powers: [{ kind: 'grid', point: { address: 20, type: 'int32' } }],
  serial: { function: 4, address: 22, count: 2, form: 'uint32', everyCycle: true },
};
