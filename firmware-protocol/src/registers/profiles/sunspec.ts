import { Quantity } from '../../frame.js';
import type { Profile } from '../profile.js';

/** SunSpec models 101, 102 and 103 (inverter, integer): one layout for one, split and three phases. */
const INVERTER = [103, 102, 101] as const;
/** SunSpec models 201 to 204 (meter, integer): one layout. */
const METER = [203, 201, 202, 204] as const;

/**
 * An inverter and, behind it or alone, a meter, found by walking the chain of models. Offsets count from a model's
 * ID register. The counters are acc32 in Wh x 10^sf, and real devices move sf while they run: value and factor come
 * from one read, and the channel's unit is Wh by floor.
 */
export const sunspecInverterMeter: Profile = {
  name: 'sunspec-103-203',
  title: 'SunSpec inverter (101 to 103) and meter (201 to 204), integers with scale factors',
  datasheet: 'SunSpec Alliance, models 1, 101 to 103 and 201 to 204',
  kind: 'sunspec',
  function: 3,
  wordOrder: 'high-first',
  maxBlock: 125,
  bridge: 0,
  minGapMs: 60,
  unit: 1,
  channels: [
    {
      // TotWhImp at 46, TotWh_SF at 54. Exp stands before Imp.
      quantity: Quantity.gridImport,
      point: { models: METER, address: 46, type: 'acc32', scaleAddress: 54 },
      unitExponent: 0,
      exponent: 0,
      widthBits: 32,
      zeroIsValue: false,
    },
    {
      // TotWhExp at 38, TotWh_SF at 54.
      quantity: Quantity.gridExport,
      point: { models: METER, address: 38, type: 'acc32', scaleAddress: 54 },
      unitExponent: 0,
      exponent: 0,
      widthBits: 32,
      zeroIsValue: false,
    },
    {
      // WH at 24, WH_SF at 26: lifetime energy delivered.
      quantity: Quantity.generation,
      point: { models: INVERTER, address: 24, type: 'acc32', scaleAddress: 26 },
      unitExponent: 0,
      exponent: 0,
      widthBits: 32,
      zeroIsValue: false,
    },
  ],
  powers: [
    // W at 18, W_SF at 22. The models do not fix the sign; this profile takes import as positive.
    { kind: 'grid', point: { models: METER, address: 18, type: 'int16', scaleAddress: 22 } },
    // W at 14, W_SF at 15.
    { kind: 'generation', point: { models: INVERTER, address: 14, type: 'int16', scaleAddress: 15 } },
  ],
  // Model 1, SN at 50.
  serial: { function: 3, models: [1], address: 50, count: 16, form: 'text', everyCycle: false },
};
