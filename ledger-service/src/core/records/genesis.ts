/** Kind 0 (LOG 5.0): what a community is, always the entry with index 0. */
import { type CborValue, cborMap, checkPublicKey, isValidId, toHex } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asFields, asHash, asId, asKey, asOneOf, asText, asUint, badEntry, checkDistinct, refusing } from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

/** What an outage of a meter means for its intervals (SETTLEMENT 2.1). */
export const OUTAGE_POLICY = { leaveOut: 0, wait: 1, estimate: 2 } as const;

export type OutagePolicy = (typeof OUTAGE_POLICY)[keyof typeof OUTAGE_POLICY];

export interface CommunitySettings {
  /** Seconds after an interval's end at which version 1 is booked with what is there. */
  readonly settleAfterS: number;
  /** Seconds after an interval's end at which its newest version becomes final. */
  readonly graceS: number;
  /** Widest distance in seconds between the readings that an edge is interpolated from; 0 forbids it. */
  readonly maxSpanS: number;
  /** OUTAGE_POLICY */
  readonly outagePolicy: OutagePolicy;
  /** At least so many inputs stand behind totals that members may see. */
  readonly kAnonymity: number;
  /** Who holds the commons fund. */
  readonly commonsMember: string;
}

export const INTERVALS_S = [300, 900, 1800, 3600] as const;

export interface Genesis {
  /** Always 1: the operator key's first signed entry. */
  readonly number: number;
  /** `<host>/<community>`: the name of the log and of its key. */
  readonly origin: string;
  readonly currency: string;
  readonly intervalS: (typeof INTERVALS_S)[number];
  /** IANA name; used in statements and pages only. */
  readonly timeZone: string;
  readonly settings: CommunitySettings;
  readonly logKey: Uint8Array;
  readonly answerKey: Uint8Array;
  readonly operatorKey: Uint8Array;
  /** SHA-256 of the statutes that the members signed. */
  readonly statutesHash?: Uint8Array;
}

const MAX_ORIGIN_BYTES = 320;
const MAX_CURRENCY_BYTES = 64;
const HOST_PATTERN = /^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?$/;
const ZONE_PATTERN = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;
const MAX_ZONE_BYTES = 64;
const CONTROL = /\p{Cc}/u;

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodeGenesisFields(genesis: Genesis): Uint8Array {
  const payload = encodePayload(KIND.genesis, [
    [1, genesis.number],
    [2, genesis.origin],
    [3, genesis.currency],
    [4, genesis.intervalS],
    [5, genesis.timeZone],
    [6, settingsMap(genesis.settings)],
    [7, genesis.logKey],
    [8, genesis.answerKey],
    [9, genesis.operatorKey],
    [10, genesis.statutesHash],
  ]);
  parseGenesis(payload);
  return payload;
}

function settingsMap(settings: CommunitySettings): CborValue {
  return cborMap([
    [1, settings.settleAfterS],
    [2, settings.graceS],
    [3, settings.maxSpanS],
    [4, settings.outagePolicy],
    [5, settings.kAnonymity],
    [6, settings.commonsMember],
  ]);
}

/** Untrusted. The signature is checked with the operator key that stands in here. */
export function parseGenesis(payload: Uint8Array): Genesis {
  const fields = parsePayload(KIND.genesis, payload, { required: [1, 2, 3, 4, 5, 6, 7, 8, 9], optional: [10] });
  const genesis = {
    number: asUint(fields.get(1), 'genesis: number', { min: 1, max: 1 }),
    origin: asOrigin(fields.get(2)),
    currency: asCurrency(fields.get(3)),
    intervalS: asOneOf(fields.get(4), 'genesis: interval in s', INTERVALS_S),
    timeZone: asTimeZone(fields.get(5)),
    settings: parseSettings(fields.get(6)),
    logKey: asKey(fields.get(7), 'genesis: log key'),
    answerKey: asKey(fields.get(8), 'genesis: answer key'),
    operatorKey: asKey(fields.get(9), 'genesis: operator key'),
  };
  checkKeys([genesis.logKey, genesis.answerKey, genesis.operatorKey]);
  if (!fields.has(10)) return genesis;
  return { ...genesis, statutesHash: asHash(fields.get(10), 'genesis: hash of the statutes') };
}

function parseSettings(value: CborValue | undefined): CommunitySettings {
  const fields = asFields(value, 'genesis: settings', { required: [1, 2, 3, 4, 5, 6] });
  return {
    settleAfterS: asUint(fields.get(1), 'settings: settleAfter in s'),
    graceS: asUint(fields.get(2), 'settings: grace in s'),
    maxSpanS: asUint(fields.get(3), 'settings: maxSpan in s'),
    outagePolicy: asOneOf(fields.get(4), 'settings: outage policy', Object.values(OUTAGE_POLICY)),
    kAnonymity: asUint(fields.get(5), 'settings: k'),
    commonsMember: asId(fields.get(6), 'settings: commons member'),
  };
}

// LOG 1.3: each key has one role, and every key is checked where it enters.
function checkKeys(keys: readonly Uint8Array[]): void {
  checkDistinct(keys.map(toHex), 'genesis: keys of log, answers and operator');
  for (const key of keys) refusing('genesis', () => checkPublicKey(key));
}

function asOrigin(value: CborValue | undefined): string {
  const origin = asText(value, 'genesis: origin', MAX_ORIGIN_BYTES);
  const [host = '', community = '', more] = origin.split('/');
  if (more !== undefined || !HOST_PATTERN.test(host) || !isValidId(community)) {
    throw badEntry('genesis: origin', 'host/community', origin);
  }
  return origin;
}

/** The community's id, the part of the origin behind the slash (LOG 1.2). */
export function communityOfOrigin(origin: string): string {
  return origin.slice(origin.indexOf('/') + 1);
}

function asCurrency(value: CborValue | undefined): string {
  const currency = asText(value, 'genesis: currency', MAX_CURRENCY_BYTES);
  if (CONTROL.test(currency)) throw badEntry('genesis: currency', 'a text without control characters', currency);
  return currency;
}

function asTimeZone(value: CborValue | undefined): string {
  const zone = asText(value, 'genesis: time zone', MAX_ZONE_BYTES);
  if (!ZONE_PATTERN.test(zone)) throw badEntry('genesis: time zone', 'an IANA name', zone);
  return zone;
}
