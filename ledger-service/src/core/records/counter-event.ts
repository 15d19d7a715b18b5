/** Kind 5 (LOG 5.5): a meter's counters begin anew. Signed by the device, or by the operator with a number in front. */
import {
  type CborValue,
  type CounterEvent,
  parseCounterEvent as parseDeviceFields,
  parseRequestPayload,
} from '@commonwatt/firmware-protocol';
import { ENTRY_VERSION, KIND, MAX_ENTRY_BYTES } from '@commonwatt/firmware-protocol/log';
import { asArray, asFields, asUint, badEntry, decode, refusing } from './fields.js';
import { encodePayload } from './signed.js';

/** The operator's has a `number`, the device's has none. */
export interface CounterEventRecord extends CounterEvent {
  readonly number?: number;
}

/** The payload that the operator signs; the device's is `encodeCounterEvent` of the protocol. */
export function encodeCounterEventFields(event: CounterEvent & { readonly number: number }): Uint8Array {
  const payload = encodePayload(KIND.counterEvent, [
    [1, event.number],
    [2, event.meter],
    [3, event.generation],
    [4, event.cause],
    [5, event.channels.map(({ quantity, last, first }) => [quantity, last, first])],
    [6, event.fromS],
  ]);
  parseCounterEventPayload(payload);
  return payload;
}

/** Untrusted: either form. Field 1 tells them apart: a number is the operator's, a text the device's meter id. */
export function parseCounterEventPayload(payload: Uint8Array): CounterEventRecord {
  const what = 'counter event';
  const [kind, version, value] = asArray(decode(payload, what, MAX_ENTRY_BYTES), what, 3);
  if (kind !== KIND.counterEvent || version !== ENTRY_VERSION) throw badEntry(what, 'kind 5, version 1', kind);
  if (!(value instanceof Map) || typeof value.get(1) === 'string') return parseDevicePayload(payload);
  const fields = asFields(value, what, { required: [1, 2, 3, 4, 5, 6] });
  const number = asUint(fields.get(1), `${what}: number`, { min: 1 });
  const rest = new Map<number, CborValue>([1, 2, 3, 4, 5].map((key) => [key, fields.get(key + 1)!]));
  return { number, ...refusing(what, () => parseDeviceFields(rest)) };
}

function parseDevicePayload(payload: Uint8Array): CounterEvent {
  const request = refusing('counter event', () => parseRequestPayload(payload));
  if (request.kind !== KIND.counterEvent) throw badEntry('counter event', 'kind 5', request.kind);
  const { kind: _, ...event } = request;
  return event;
}
