import type { Quantity } from '@commonwatt/firmware-protocol';
import { GatewayError } from '../errors.js';
import type { Sample } from './reading.js';

type ChannelRow = [meterIndex: number, quantity: Quantity, status: number, value: string];
type SampleRow = [
  atS: number,
  clock: [number, number, number],
  breakBefore: 0 | 1,
  attempt: number,
  clockStepS: number | null,
  channels: ChannelRow[],
];

/** A waiting sample as text of the data folder. Not a wire format: only this package reads it. */
export function encodeSample(sample: Sample): string {
  const row: SampleRow = [
    sample.atS,
    [sample.clock.source, sample.clock.errorMs, sample.clock.ageS],
    sample.breakBefore ? 1 : 0,
    sample.attempt,
    sample.clockStepS ?? null,
    sample.channels.map(({ meterIndex, quantity, status, value }) => [meterIndex, quantity, status, String(value)]),
  ];
  return JSON.stringify(row);
}

/** The inverse of `encodeSample`. Throws `outbox-damaged` on anything else. */
export function decodeSample(text: string): Sample {
  try {
    const [atS, [source, errorMs, ageS], breakBefore, attempt, clockStepS, channels] = JSON.parse(text) as SampleRow;
    return {
      atS,
      clock: { source, errorMs, ageS },
      channels: channels.map(([meterIndex, quantity, status, value]) => ({
        meterIndex,
        quantity,
        status,
        value: BigInt(value),
      })),
      breakBefore: breakBefore === 1,
      ...(clockStepS !== null && { clockStepS }),
      attempt,
    };
  } catch (cause) {
    throw new GatewayError('outbox-damaged', 'a waiting reading in the outbox cannot be read', { cause });
  }
}
