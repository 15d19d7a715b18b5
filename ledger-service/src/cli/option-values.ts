/** What stands behind options, parsed before any work begins. Each throws commander's refusal with expected and got. */
import { isIP } from 'node:net';
import { isValidId, parseCredits, parseKwh } from '@commonwatt/firmware-protocol';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { InvalidArgumentError } from 'commander';
import { LOG_LEVELS } from '../adapters/log/levels.js';
import { OUTAGE_POLICY } from '../core/records/index.js';

/** Interval lengths a community can have. */
export const INTERVALS = { '5m': 300, '15m': 900, '30m': 1_800, '60m': 3_600 } as const;
export type IntervalSeconds = (typeof INTERVALS)[keyof typeof INTERVALS];

export const NETTINGS = { none: 0, meter: 1, member: 2 } as const;
export type NettingName = keyof typeof NETTINGS;

/** What an outage of a meter means for its intervals (SETTLEMENT 2.1). */
export const MISSING_POLICIES = {
  'leave-out': OUTAGE_POLICY.leaveOut,
  wait: OUTAGE_POLICY.wait,
  estimate: OUTAGE_POLICY.estimate,
} as const;
export type MissingPolicy = keyof typeof MISSING_POLICIES;

const DURATION = /^(\d{1,7})(s|m|h|d)?$/;
const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const WHOLE = /^\d{1,15}$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/;

function refuse(expected: string, got: string): never {
  throw new InvalidArgumentError(`expected ${expected}, got ${JSON.stringify(got.slice(0, 80))}`);
}

/** `90`, `90s`, `15m`, `1h`, `2d`: seconds. */
export function durationS(text: string): number {
  const match = DURATION.exec(text);
  if (match === null) return refuse('a duration like 900, 15m, 1h or 2d', text);
  return Number(match[1]) * (UNIT_S[match[2] ?? 's'] ?? 1);
}

export function intervalS(text: string): IntervalSeconds {
  const seconds = durationS(text);
  const known = Object.values(INTERVALS).find((one) => one === seconds);
  return known ?? refuse('5m, 15m, 30m or 60m', text);
}

export function port(text: string): number {
  const value = WHOLE.test(text) ? Number(text) : Number.NaN;
  return value >= 0 && value <= 65_535 ? value : refuse('a port from 0 to 65535 (0: any free one)', text);
}

export function bindAddress(text: string): string {
  return isIP(text) !== 0 || text === 'localhost' ? text : refuse('an IP address like 127.0.0.1 or 0.0.0.0', text);
}

export function wholeNumber(name: string, bounds: { min: number; max: number }): (text: string) => number {
  return (text) => {
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    if (value >= bounds.min && value <= bounds.max) return value;
    return refuse(`${name}: a whole number from ${bounds.min} to ${bounds.max}`, text);
  };
}

export function speed(text: string): number {
  const value = Number(text);
  return value > 0 && value <= 10_000 ? value : refuse('a speed above 0, up to 10000 (1: real time)', text);
}

export function id(what: string): (text: string) => string {
  return (text) =>
    isValidId(text) ? text : refuse(`${what}: 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first`, text);
}

export function oneOf<T extends string>(names: readonly T[]): (text: string) => T {
  return (text) => {
    const known = names.find((name) => name === text);
    if (known !== undefined) return known;
    const nearest = nearestName(text, names);
    return refuse(`${names.join(', ')}${nearest === undefined ? '' : ` (did you mean ${nearest}?)`}`, text);
  };
}

export const netting = oneOf(Object.keys(NETTINGS) as NettingName[]);

export const missingPolicy = oneOf(Object.keys(MISSING_POLICIES) as MissingPolicy[]);

/** Kilowatts in whole watts: `5`, `4.6`, `0.001`. */
export function kilowattsAsW(text: string): number {
  const watts = wattsOf(text);
  return watts > 0 ? watts : refuse('kilowatts above 0, to the watt, like 10 or 4.6', text);
}

/** The same, or 0 for no limit. */
export function limitAsW(text: string): number {
  const watts = wattsOf(text);
  return watts >= 0 ? watts : refuse('kilowatts to the watt, like 10 or 4.6, or 0 for no limit', text);
}

function wattsOf(text: string): number {
  const match = /^(\d{1,9})(?:\.(\d{1,3})0*)?$/.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * 1_000 + Number((match[2] ?? '').padEnd(3, '0'));
}

/** A decimal of kWh or credits, to six places. */
export function decimalKwh(text: string): number {
  try {
    return parseKwh(text);
  } catch {
    return refuse('kWh like 12.5, at most six decimals', text);
  }
}

export function decimalCredits(text: string): bigint {
  try {
    return parseCredits(text);
  } catch {
    return refuse('credits like 0.12, at most six decimals', text);
  }
}

/** A local day, or an instant in UTC as seconds. */
export function bound(text: string): string | number {
  if (DAY.test(text)) return text;
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(ms)
    ? ms / 1_000
    : refuse('a day like 2024-05-31 or an instant like 2024-05-31T12:00:00Z', text);
}

/** An instant in UTC, as seconds. */
export function instantS(text: string): number {
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(ms) ? ms / 1_000 : refuse('an instant like 2024-05-31T12:00:00Z', text);
}

export const logLevel = oneOf(LOG_LEVELS);

export function mqttUrl(text: string): string {
  const known = /^(mqtts?|tcp|tls|wss?):\/\/[^\s]+$/.test(text);
  return known ? text : refuse('an MQTT URL like mqtt://broker.example:1883', text);
}

export function hostName(text: string): string {
  return /^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?$/.test(text)
    ? text
    : refuse('a host name like ledger.example', text);
}
