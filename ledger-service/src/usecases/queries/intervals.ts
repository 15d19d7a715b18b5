/** Intervals: which there are, how far each is settled, and what every meter counted in one. */

import { LedgerError } from '../../core/errors.js';
import { channelEnergy, knownEnergy } from '../../core/intervals/readings.js';
import type { Quality } from '../../core/records/index.js';
import { type IntervalRow, startKey } from '../../core/rows.js';
import { type Page, pageOfRead } from './paging.js';
import { type CommunityReader, keyAfter } from './reader.js';
import { LoadedRows } from './rows-loader.js';
import { type SettlementShell, settlementShells } from './settlements.js';

export interface IntervalSummary extends IntervalRow {
  readonly startS: number;
  readonly endS: number;
}

export interface ChannelEnergyView {
  readonly meter: string;
  readonly member: string;
  readonly quantity: number;
  /** Both absent where an edge of the counter is not known. */
  readonly energyMwh?: number;
  readonly quality?: Quality;
}

export interface IntervalView {
  readonly startS: number;
  readonly endS: number;
  /** One for every channel that is enrolled now. */
  readonly energies: readonly ChannelEnergyView[];
  readonly versions: readonly SettlementShell[];
}

export interface IntervalRange {
  /** Intervals that start at or after it. */
  readonly fromS?: number;
  /** Intervals that start before it. */
  readonly toS?: number;
}

/** Intervals of which any energy is known, oldest first. The cursor is the start of the last one in UTC seconds. */
export async function listIntervals(
  reader: CommunityReader,
  { fromS = 0, toS }: IntervalRange,
  { after, limit }: { readonly after?: number; readonly limit: number },
): Promise<Page<IntervalSummary>> {
  const { intervalS } = (await reader.communityRow()).genesis;
  const rows = await reader.scan('interval', {
    from: after !== undefined && after >= fromS ? keyAfter(startKey(after)) : startKey(fromS),
    ...(toS === undefined ? {} : { to: startKey(toS) }),
    limit: limit + 1,
  });
  const items = rows.map(([key, row]) => ({ ...row, startS: Number(key), endS: Number(key) + intervalS }));
  return pageOfRead(items, limit, ({ startS }) => String(startS));
}

/** Throws 'bad-request' for a start off the grid, 'not-found' where nothing is known of the interval. */
export async function findInterval(reader: CommunityReader, startS: number): Promise<IntervalView> {
  const { intervalS } = (await reader.communityRow()).genesis;
  const versions = await settlementShells(reader, startS);
  const energies = await energiesOf(reader, startS);
  if (versions.length === 0 && energies.every(({ energyMwh }) => energyMwh === undefined)) {
    throw new LedgerError('not-found', `nothing is known of the interval that starts at ${startS}`);
  }
  return { startS, endS: startS + intervalS, energies, versions };
}

async function energiesOf(reader: CommunityReader, startS: number): Promise<ChannelEnergyView[]> {
  const { genesis } = await reader.communityRow();
  const settings = { intervalS: genesis.intervalS, maxSpanS: genesis.settings.maxSpanS };
  const rows = await LoadedRows.of(reader, []);
  const views: ChannelEnergyView[] = [];
  for (const [meter, { member, channels }] of await reader.all('meter')) {
    for (const { quantity } of channels) {
      const energy = await rows.run((loaded) => channelEnergy(loaded, { meter, quantity }, startS, settings));
      views.push({ meter, member, quantity, ...knownEnergy(energy) });
    }
  }
  return views;
}
