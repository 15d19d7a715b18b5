/** Kind 8 (LOG 5.8): how the community shares and pays, from an interval's start on. */
import { type CborValue, cborMap } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asFields, asLongText, asOneOf, asText, asUint, badEntry, type LongText } from './fields.js';
import { INTERVALS_S } from './genesis.js';
import { encodePayload, parsePayload } from './signed.js';

export interface RuleSettings {
  /** 0 none, 1 meter, 2 member. */
  readonly netting: 0 | 1 | 2;
  /** 1 dynamic pro rata. */
  readonly consumerRule: 1;
  /** 1 pro rata. */
  readonly producerRule: 1;
  readonly priceMicroPerKwh: number;
  readonly levyBasisPoints: number;
}

export interface Rules {
  readonly number: number;
  readonly settings: RuleSettings;
  /** Start of the first interval they hold for, UTC seconds. */
  readonly firstIntervalS: number;
  /** The rules in words that a court can read, or the SHA-256 of them. */
  readonly text: LongText;
  /** Which body decided, when: in words. */
  readonly decidedBy?: string;
}

/** A million credits a kWh: beyond any currency, and small enough that an interval's money fits 63 bits. */
export const MAX_PRICE_MICRO_PER_KWH = 1_000_000_000_000;
export const MAX_LEVY_BASIS_POINTS = 10_000;
const MAX_DECIDED_BY_BYTES = 1024;

/** The payload that the operator signs. Throws `bad-entry` for what could not be read back. */
export function encodeRulesFields(rules: Rules): Uint8Array {
  const payload = encodePayload(KIND.rules, [
    [1, rules.number],
    [2, settingsMap(rules.settings)],
    [3, rules.firstIntervalS],
    [4, rules.text],
    [5, rules.decidedBy],
  ]);
  parseRules(payload);
  return payload;
}

function settingsMap(settings: RuleSettings): CborValue {
  return cborMap([
    [1, settings.netting],
    [2, settings.consumerRule],
    [3, settings.producerRule],
    [4, settings.priceMicroPerKwh],
    [5, settings.levyBasisPoints],
  ]);
}

/** Untrusted. */
export function parseRules(payload: Uint8Array): Rules {
  const fields = parsePayload(KIND.rules, payload, { required: [1, 2, 3, 4], optional: [5] });
  return {
    number: asUint(fields.get(1), 'rules: number', { min: 1 }),
    settings: parseSettings(fields.get(2)),
    firstIntervalS: asIntervalStart(fields.get(3), 'rules: first interval'),
    text: asLongText(fields.get(4), 'rules: text'),
    ...(fields.has(5) && { decidedBy: asText(fields.get(5), 'rules: decided by', MAX_DECIDED_BY_BYTES) }),
  };
}

function parseSettings(value: CborValue | undefined): RuleSettings {
  const fields = asFields(value, 'rules: settings', { required: [1, 2, 3, 4, 5] });
  return {
    netting: asOneOf(fields.get(1), 'rules: netting', [0, 1, 2]),
    consumerRule: asOneOf(fields.get(2), 'rules: consumer rule', [1]),
    producerRule: asOneOf(fields.get(3), 'rules: producer rule', [1]),
    priceMicroPerKwh: asUint(fields.get(4), 'rules: price', { max: MAX_PRICE_MICRO_PER_KWH }),
    levyBasisPoints: asUint(fields.get(5), 'rules: levy', { max: MAX_LEVY_BASIS_POINTS }),
  };
}

/** UTC seconds at which an interval of some length can start; which length the community has is the caller's to check. */
export function asIntervalStart(value: CborValue | undefined, what: string): number {
  const startS = asUint(value, what);
  if (startS % INTERVALS_S[0] !== 0) throw badEntry(what, `a multiple of ${INTERVALS_S[0]} s`, startS);
  return startS;
}
