import { ProtocolError } from './errors.js';

declare const brand: unique symbol;

/** A plain value that the compiler keeps apart from others of its kind. */
export type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Energy: a safe integer of milliwatt-hours. Counters are never negative; a difference may be, where that is said. */
export type MilliwattHours = Brand<number, 'MilliwattHours'>;
/** Money: millionths of a credit, signed. A bigint, because a price may push sums past 2^53. */
export type MicroCredits = Brand<bigint, 'MicroCredits'>;
/** An instant: milliseconds since 1970-01-01T00:00:00Z. */
export type UtcMs = Brand<number, 'UtcMs'>;
/** An instant: seconds since 1970-01-01T00:00:00Z, as on the wire. */
export type UtcSeconds = Brand<number, 'UtcSeconds'>;

/** Smallest and largest exponent of a channel's unit, 10^e Wh (PROTOCOL 2.3). */
export const MIN_EXPONENT = -3;
export const MAX_EXPONENT = 6;

const MWH_PER_KWH = 1_000_000;
const MICRO_PER_CREDIT = 1_000_000n;
const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{1,6}))?$/;

/** Throws `out-of-range` unless `n` is a safe integer. */
export function mwh(n: number): MilliwattHours {
  return safe(n, 'energy in mWh') as MilliwattHours;
}

export function microCredits(n: bigint): MicroCredits {
  return n as MicroCredits;
}

/** Throws `out-of-range` unless `n` is a safe integer. */
export function utcMs(n: number): UtcMs {
  return safe(n, 'instant in ms') as UtcMs;
}

/** Throws `out-of-range` unless `n` is a safe integer. */
export function utcSeconds(n: number): UtcSeconds {
  return safe(n, 'instant in s') as UtcSeconds;
}

/**
 * A counter value of the wire, in 10^exponent Wh, in mWh: value x 10^(exponent + 3).
 * Throws `out-of-range` when the exponent is not one of -3 to 6 or the mWh pass 2^53 - 1: never rounded.
 */
export function wireToMwh(value: bigint, exponent: number): MilliwattHours {
  if (!Number.isInteger(exponent) || exponent < MIN_EXPONENT || exponent > MAX_EXPONENT) {
    throw new ProtocolError(
      'out-of-range',
      `unit exponent: expected ${MIN_EXPONENT} to ${MAX_EXPONENT}, got ${exponent}`,
    );
  }
  const energyMwh = value * 10n ** BigInt(exponent + 3);
  if (value < 0n || energyMwh > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProtocolError('out-of-range', `counter: expected 0 to 2^53 - 1 mWh, got ${energyMwh}`);
  }
  return Number(energyMwh) as MilliwattHours;
}

/**
 * floor(a x b / d) and what is left, exactly; by BigInt only where the product passes 2^53.
 * Wants safe integers a, b >= 0 and d > 0 and a safe quotient, else throws `out-of-range`.
 */
export function mulDiv(a: number, b: number, d: number): { quotient: number; remainder: number } {
  if (!(Number.isSafeInteger(a) && Number.isSafeInteger(b) && Number.isSafeInteger(d)) || a < 0 || b < 0 || d <= 0) {
    throw new ProtocolError('out-of-range', `mulDiv: expected whole a, b >= 0 and d > 0, got ${a}, ${b}, ${d}`);
  }
  const product = a * b;
  if (product <= Number.MAX_SAFE_INTEGER) {
    const remainder = product % d;
    return { quotient: (product - remainder) / d, remainder };
  }
  const exact = BigInt(a) * BigInt(b);
  const divisor = BigInt(d);
  return { quotient: safe(Number(exact / divisor), 'quotient'), remainder: Number(exact % divisor) };
}

/** "1.234567": kWh with exactly six decimals, a minus sign in front where negative. */
export function formatKwh(energyMwh: number): string {
  const size = Math.abs(safe(energyMwh, 'energy in mWh'));
  const rest = size % MWH_PER_KWH;
  return `${energyMwh < 0 ? '-' : ''}${(size - rest) / MWH_PER_KWH}.${String(rest).padStart(6, '0')}`;
}

/** kWh with at most six decimals, no exponent, no rounding. Throws `bad-number`, or `out-of-range` past 2^53 - 1 mWh. */
export function parseKwh(text: string): MilliwattHours {
  const energyMwh = Number(parseMillionths(text, 'kWh'));
  return mwh(energyMwh === 0 ? 0 : energyMwh);
}

/** "-0.120000": credits with exactly six decimals. */
export function formatCredits(micro: bigint): string {
  const size = micro < 0n ? -micro : micro;
  return `${micro < 0n ? '-' : ''}${size / MICRO_PER_CREDIT}.${String(size % MICRO_PER_CREDIT).padStart(6, '0')}`;
}

/** Credits with at most six decimals. Throws `bad-number`. */
export function parseCredits(text: string): MicroCredits {
  return microCredits(parseMillionths(text, 'credits'));
}

function parseMillionths(text: string, what: string): bigint {
  const match = DECIMAL.exec(text);
  if (match === null) {
    throw new ProtocolError(
      'bad-number',
      `${what}: expected a decimal with at most six places, got ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
  const [, sign, whole = '0', fraction = ''] = match;
  const size = BigInt(whole) * MICRO_PER_CREDIT + BigInt(fraction.padEnd(6, '0'));
  return sign === '-' ? -size : size;
}

function safe(n: number, what: string): number {
  if (!Number.isSafeInteger(n)) {
    throw new ProtocolError('out-of-range', `${what}: expected a whole number up to 2^53 - 1, got ${n}`);
  }
  return n;
}
