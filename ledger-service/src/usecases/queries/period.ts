/** The period a statement is for, as people name it: instants, or days on the community's wall. */
import { LedgerError } from '../../core/errors.js';
import { localDays } from '../../core/statement-days.js';
import type { CommunityReader } from './reader.js';
import type { StatementPeriod } from './statement.js';

/** UTC seconds, or a local day `YYYY-MM-DD`, which means the instant it begins. */
export type Bound = number | string;

/** No zone is further from UTC than this, and no day is longer by more. */
const WIDEST_OFFSET_S = 2 * 86_400;

/**
 * Half open. Without `to` it ends with the newest interval that is known, without `from` it begins with the local day
 * in which it ends. Throws 'bad-request' for a day that the community's calendar lacks.
 */
export async function resolvePeriod(
  reader: CommunityReader,
  bounds: { readonly from?: Bound | undefined; readonly to?: Bound | undefined },
): Promise<StatementPeriod> {
  const { genesis } = await reader.communityRow();
  const toS = bounds.to === undefined ? await endOfNewest(reader, genesis.intervalS) : toInstantS(bounds.to, genesis);
  const fromS = bounds.from === undefined ? startOfDayBefore(toS, genesis) : toInstantS(bounds.from, genesis);
  return { fromS, toS };
}

async function endOfNewest(reader: CommunityReader, intervalS: number): Promise<number> {
  const [newest] = await reader.scan('interval', { limit: 1, reverse: true });
  return newest === undefined ? 0 : Number(newest[0]) + intervalS;
}

function startOfDayBefore(toS: number, { timeZone }: { timeZone: string }): number {
  if (toS === 0) return 0;
  return localDays({ fromS: toS - 1, toS, timeZone })[0]?.startS ?? toS;
}

function toInstantS(bound: Bound, { timeZone }: { timeZone: string }): number {
  if (typeof bound === 'number') return bound;
  const middayS = Date.parse(`${bound}T12:00:00Z`) / 1000;
  const near = { fromS: middayS - WIDEST_OFFSET_S, toS: middayS + WIDEST_OFFSET_S, timeZone };
  const found = Number.isFinite(middayS) ? localDays(near).find(({ day }) => day === bound) : undefined;
  if (found === undefined) {
    throw new LedgerError('bad-request', `day: expected one of the calendar of ${timeZone}, got ${bound.slice(0, 20)}`);
  }
  return Math.max(0, found.startS);
}
