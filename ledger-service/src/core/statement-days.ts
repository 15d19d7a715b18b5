/**
 * Local days in a community's time zone. Intervals live on the UTC grid; a day on a statement is the one on the member's
 * wall, so it has 92, 96 or 100 quarter-hours. Pure: the calendar comes from Intl, the instants from the caller.
 */
import { LedgerError } from './errors.js';

export interface LocalDay {
  /** `YYYY-MM-DD` */
  readonly day: string;
  /** UTC seconds, half open: start included, end not. */
  readonly startS: number;
  readonly endS: number;
}

/** A day that is put forward and back by its zone lasts at most this long. */
const LONGEST_DAY_S = 50 * 3600;
/** Bounds a request: some ten years. */
export const MAX_DAYS = 4000;

/**
 * The local days that hold at least one instant of [fromS, toS), whole days, ascending, without a hole between them.
 * Throws LedgerError `bad-request` for an unknown zone, bounds that are no instants, or more than MAX_DAYS.
 */
export function localDays({ fromS, toS, timeZone }: { fromS: number; toS: number; timeZone: string }): LocalDay[] {
  const dayOf = localDayReader(timeZone);
  if (!Number.isSafeInteger(fromS) || !Number.isSafeInteger(toS) || (toS - fromS) / 86_400 > MAX_DAYS) {
    throw new LedgerError('bad-request', `period: expected at most ${MAX_DAYS} days, got ${fromS} to ${toS}`);
  }
  const days: LocalDay[] = [];
  if (fromS >= toS) return days;
  const first = dayOf(fromS);
  let startS = firstInstant(fromS - LONGEST_DAY_S, fromS, (timeS) => dayOf(timeS) >= first);
  while (startS < toS) {
    const day = dayOf(startS);
    const endS = firstInstant(startS, startS + LONGEST_DAY_S, (timeS) => dayOf(timeS) > day);
    days.push({ day, startS, endS });
    startS = endS;
  }
  return days;
}

/** Smallest second in (lowS, highS] for which `holds`; it holds at highS, not at lowS, and changes once. */
function firstInstant(lowS: number, highS: number, holds: (timeS: number) => boolean): number {
  let low = lowS;
  let high = highS;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** A function from UTC seconds to the local `YYYY-MM-DD`, which sorts as the days follow each other. */
function localDayReader(timeZone: string): (timeS: number) => string {
  const format = dayFormat(timeZone);
  return (timeS) => {
    const parts = new Map(format.formatToParts(timeS * 1000).map(({ type, value }) => [type, value]));
    return `${parts.get('year')!.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`;
  };
}

function dayFormat(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
  } catch (cause) {
    throw new LedgerError('bad-request', `time zone: expected a name of the IANA database, got ${timeZone}`, { cause });
  }
}
