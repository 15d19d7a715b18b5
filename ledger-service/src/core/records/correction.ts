/** Kind 11 (LOG 5.11): the operator puts an interval's energy right, with a reason. Private. */
import type { MilliwattHours, Quantity } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { QUANTITIES } from './device.js';
import { asHash, asId, asLongText, asOneOf, asUint, type LongText } from './fields.js';
import { asIntervalStart } from './rules.js';
import { encodePayload, parsePayload } from './signed.js';

export interface Correction {
  readonly number: number;
  readonly meter: string;
  /** Interval start, UTC seconds. */
  readonly startS: number;
  readonly quantity: Quantity;
  /** What the interval's energy is, not a difference. */
  readonly energyMwh: MilliwattHours;
  readonly reason: LongText;
  /** SHA-256 of the evidence. */
  readonly evidenceHash?: Uint8Array;
}

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodeCorrectionFields(correction: Correction): Uint8Array {
  const payload = encodePayload(KIND.correction, [
    [1, correction.number],
    [2, correction.meter],
    [3, correction.startS],
    [4, correction.quantity],
    [5, correction.energyMwh],
    [6, correction.reason],
    [7, correction.evidenceHash],
  ]);
  parseCorrection(payload);
  return payload;
}

/** Untrusted. */
export function parseCorrection(payload: Uint8Array): Correction {
  const fields = parsePayload(KIND.correction, payload, { required: [1, 2, 3, 4, 5, 6], optional: [7] });
  return {
    number: asUint(fields.get(1), 'correction: number', { min: 1 }),
    meter: asId(fields.get(2), 'correction: meter'),
    startS: asIntervalStart(fields.get(3), 'correction: interval start'),
    quantity: asOneOf(fields.get(4), 'correction: quantity', QUANTITIES),
    energyMwh: asUint(fields.get(5), 'correction: energy in mWh') as MilliwattHours,
    reason: asLongText(fields.get(6), 'correction: reason'),
    ...(fields.has(7) && { evidenceHash: asHash(fields.get(7), 'correction: hash of the evidence') }),
  };
}
