/** Values as JSON shows them: instants in ISO 8601 UTC, bytes in hex, energies and credits as exact decimals. */
import { ProtocolError } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;
const SECONDS = /^(?:0|[1-9]\d{0,11})$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
/** 9999-12-31T23:59:59Z: the last instant that ISO 8601 writes with four digits. */
const MAX_INSTANT_S = 253_402_300_799;
const MS_PER_S = 1000;

/** "2024-01-31T23:45:00Z" */
export function isoOf(instantS: number): string {
  return new Date(instantS * MS_PER_S).toISOString().replace('.000Z', 'Z');
}

/** Untrusted: an instant as `YYYY-MM-DDTHH:MM:SSZ`, or in UTC seconds. Throws 'bad-request', naming the parameter. */
export function parseInstantS(text: string, name: string): number {
  const instantS = SECONDS.test(text) ? Number(text) : fromIso(text);
  if (instantS === undefined || instantS < 0 || instantS > MAX_INSTANT_S) {
    const got = JSON.stringify(text.slice(0, 40));
    throw new LedgerError('bad-request', `${name}: expected YYYY-MM-DDTHH:MM:SSZ or UTC seconds, got ${got}`);
  }
  return instantS;
}

/** Untrusted: an instant as above, or a day `YYYY-MM-DD`, which comes back as it is. */
export function parseBound(text: string, name: string): number | string {
  return DAY.test(text) ? text : parseInstantS(text, name);
}

/** Date.parse takes the 30th of February for the 1st of March; the way back does not. */
function fromIso(text: string): number | undefined {
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms) || isoOf(ms / MS_PER_S) !== text) return undefined;
  return ms / MS_PER_S;
}

const QUALITIES = ['measured', 'interpolated', 'shaped', 'estimated', 'missing', 'disputed'] as const;
const REASONS = ['', 'complete', 'timeout', 'late', 'correction', 'rules', 'grace'] as const;
const QUANTITIES = [
  '',
  'grid_import',
  'grid_export',
  'generation',
  'storage_charge',
  'storage_discharge',
  'shaping_import',
  'shaping_export',
] as const;
const CLASSES = ['', 'household', 'commons', 'commercial'] as const;
const NETTINGS = ['none', 'meter', 'member'] as const;
const POLICIES = ['leave-out', 'wait', 'estimate'] as const;

/** Numbers of the log as the words of the glossary; a number that has none yet stays one. */
const wordOf = (words: readonly string[]) => (code: number) => words[code] || String(code);

export const qualityWord = wordOf(QUALITIES);
export const reasonWord = wordOf(REASONS);
export const quantityWord = wordOf(QUANTITIES);
export const classWord = wordOf(CLASSES);
export const nettingWord = wordOf(NETTINGS);
export const policyWord = wordOf(POLICIES);

/** Drops what is undefined, so that a field without a value has no key. */
export function withoutGaps<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** Untrusted: runs a parser of the protocol package over a request's bytes; its refusals become 'bad-request'. */
export function refusingRequest<Result>(what: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new LedgerError('bad-request', `${what}: ${cause.message}`, { cause });
  }
}
