/** Kinds 2 and 3 (LOG 5.2, 5.3): a gateway's key, where it stands and what it may measure; and its end. */
import {
  type CborValue,
  checkPublicKey,
  type Hasher,
  keyId,
  type Quantity,
  toHex,
} from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import {
  asArray,
  asExponent,
  asId,
  asKey,
  asKid,
  asOneOf,
  asUint,
  badEntry,
  checkDistinct,
  refusing,
  sameBytes,
} from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

export const QUANTITIES = [1, 2, 3, 4, 5, 6, 7] as const;

export interface ChannelRecord {
  readonly quantity: Quantity;
  /** The counter's unit is 10^exponent Wh. */
  readonly exponent: number;
  readonly widthBits: 16 | 32 | 48 | 64;
  /** Largest power in watts that is believed; 0: no limit. */
  readonly limitW: number;
}

export interface MeterRecord {
  readonly index: number;
  readonly id: string;
  /** Rises when a counter begins anew: replacement, rollover, reset. */
  readonly generation: number;
  readonly channels: readonly ChannelRecord[];
}

export interface Device {
  readonly number: number;
  /** First 8 bytes of the SHA-256 of the key. */
  readonly kid: Uint8Array;
  readonly key: Uint8Array;
  readonly home: string;
  readonly member: string;
  readonly meters: readonly MeterRecord[];
}

export interface DeviceRevoked {
  readonly number: number;
  readonly kid: Uint8Array;
}

const MAX_METERS = 256;

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodeDeviceFields(hasher: Hasher, device: Device): Uint8Array {
  const payload = encodePayload(KIND.device, [
    [1, device.number],
    [2, device.kid],
    [3, device.key],
    [4, device.home],
    [5, device.member],
    [6, device.meters.map(meterItem)],
  ]);
  parseDevice(hasher, payload);
  return payload;
}

function meterItem(meter: MeterRecord): CborValue {
  const channels = meter.channels.map((c) => [c.quantity, c.exponent, c.widthBits, c.limitW]);
  return [meter.index, meter.id, meter.generation, channels];
}

/** Untrusted. The key is checked here, once, where it enters (LOG 1.3). */
export function parseDevice(hasher: Hasher, payload: Uint8Array): Device {
  const fields = parsePayload(KIND.device, payload, { required: [1, 2, 3, 4, 5, 6] });
  const kid = asKid(fields.get(2), 'device: kid');
  const key = asKey(fields.get(3), 'device: key');
  refusing('device', () => checkPublicKey(key));
  if (!sameBytes(kid, keyId(hasher, key))) throw badEntry('device: kid', `that of the key ${toHex(key)}`, toHex(kid));
  return {
    number: asUint(fields.get(1), 'device: number', { min: 1 }),
    kid,
    key,
    home: asId(fields.get(4), 'device: home'),
    member: asId(fields.get(5), 'device: member'),
    meters: parseMeters(fields.get(6)),
  };
}

function parseMeters(value: CborValue | undefined): MeterRecord[] {
  const items = asArray(value, 'device: meters');
  if (items.length > MAX_METERS) throw badEntry('device: meters', `at most ${MAX_METERS}`, items);
  const meters = items.map(parseMeter);
  checkDistinct(
    meters.map(({ index }) => index),
    'device: meter indices',
  );
  checkDistinct(
    meters.map(({ id }) => id),
    'device: meter ids',
  );
  return meters;
}

function parseMeter(value: CborValue): MeterRecord {
  const [index, id, generation, channels] = asArray(value, 'meter', 4);
  const records = asArray(channels, 'meter: channels').map(parseChannel);
  if (records.length === 0) throw badEntry('meter: channels', 'at least one', records);
  checkDistinct(
    records.map(({ quantity }) => quantity),
    'meter: quantities',
  );
  return {
    index: asUint(index, 'meter: index'),
    id: asId(id, 'meter: id'),
    generation: asUint(generation, 'meter: generation'),
    channels: records,
  };
}

function parseChannel(value: CborValue): ChannelRecord {
  const [quantity, exponent, widthBits, limitW] = asArray(value, 'channel', 4);
  return {
    quantity: asOneOf(quantity, 'channel: quantity', QUANTITIES),
    exponent: asExponent(exponent, 'channel: exponent'),
    widthBits: asOneOf(widthBits, 'channel: width in bits', [16, 32, 48, 64]),
    limitW: asUint(limitW, 'channel: limit in W'),
  };
}

/** The payload that the operator signs to end a key. */
export function encodeDeviceRevokedFields(revoked: DeviceRevoked): Uint8Array {
  const payload = encodePayload(KIND.deviceRevoked, [
    [1, revoked.number],
    [2, revoked.kid],
  ]);
  parseDeviceRevoked(payload);
  return payload;
}

/** Untrusted. */
export function parseDeviceRevoked(payload: Uint8Array): DeviceRevoked {
  const fields = parsePayload(KIND.deviceRevoked, payload, { required: [1, 2] });
  return {
    number: asUint(fields.get(1), 'device revoked: number', { min: 1 }),
    kid: asKid(fields.get(2), 'device revoked: kid'),
  };
}
