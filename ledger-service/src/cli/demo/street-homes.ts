/** What the simulator says of its street, and what of it stands in the log. */
import { Quantity } from '@commonwatt/firmware-protocol';
import { findProfile } from '@commonwatt/firmware-protocol/registers';
import { LedgerError } from '../../core/errors.js';
import type { HomePlan, MeterPlace } from '../community-setup.js';
import { type LineObject, listIn, numberIn, objectsIn, textIn } from '../line-child.js';
import { DEFAULT_LIMITS_W, MEMBER_CLASS_NAMES, MEMBER_CLASSES, type MemberClassName } from '../member-classes.js';
import { meterId, meterRecord } from '../meter-options.js';

export interface StreetHome {
  readonly id: string;
  readonly name: string;
  readonly memberClass: MemberClassName;
  readonly devices: readonly StreetDevice[];
}

export interface StreetDevice extends MeterPlace {
  readonly quantities: readonly number[];
}

/** Gateways sample energy at the connection point and behind it; the two shaping quantities are not counters. */
const LAST_COUNTER = Quantity.storageDischarge;

/** Throws LedgerError 'child' for what is not the answer to `street`. */
export function parseStreet(answer: LineObject): StreetHome[] {
  return objectsIn(answer, 'homes').map((home) => ({
    id: textIn(home, 'id'),
    name: typeof home.name === 'string' ? home.name : textIn(home, 'id'),
    memberClass: MEMBER_CLASS_NAMES.find((name) => name === home.class) ?? 'household',
    devices: objectsIn(home, 'devices').map((device) => ({
      profile: textIn(device, 'profile'),
      host: textIn(device, 'host'),
      port: numberIn(device, 'port'),
      unit: numberIn(device, 'unit'),
      quantities: listIn(device, 'channels').map(quantityOf),
    })),
  }));
}

function quantityOf(value: unknown): number {
  if (typeof value === 'number' && value >= 1 && value <= LAST_COUNTER) return value;
  throw new LedgerError('child', `answer to street: expected a quantity, got ${String(value).slice(0, 40)}`);
}

/** The home as it is enrolled: a member and a gateway of the same name, a meter a device. */
export function planOf(home: StreetHome, publicKey: Uint8Array): HomePlan {
  const limitW = DEFAULT_LIMITS_W[home.memberClass];
  return {
    home: home.id,
    member: home.id,
    memberClass: MEMBER_CLASSES[home.memberClass],
    isNewMember: true,
    name: home.name,
    publicKey,
    meters: home.devices.map(({ profile, quantities }, index) =>
      meterRecord(findProfile(profile), { id: meterId(home.id, index), index, limitW, quantities }),
    ),
  };
}

export function placesOf(home: StreetHome): MeterPlace[] {
  return home.devices.map(({ profile, host, port, unit }) => ({ profile, host, port, unit }));
}
