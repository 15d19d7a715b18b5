/** Intervals: which there are, how far each is settled, and what every meter counted in one. */
import { compareUtf8, type Quantity } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { ChannelEdges } from '../../core/intervals/channel-edges.js';
import type { Quality } from '../../core/records/index.js';
import { type IntervalRow, startKey } from '../../core/rows.js';
import { intervalSettings } from '../../core/settings.js';
import { MAX_PAGE_ITEMS, type Page, type PageRequest, pageOf, pageOfRead } from './paging.js';
import { type CommunityReader, keyAfter } from './reader.js';
import { LoadedRows } from './rows-loader.js';
import { recentVersions, type SettlementShell } from './settlements.js';

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
  /** One for every channel that is enrolled now, by meter and quantity. */
  readonly energies: readonly ChannelEnergyView[];
  /** The cursor of the next energies, `meter/quantity` of the last one; absent with the last. */
  readonly next?: string;
  /** The newest ones. */
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
export async function findInterval(
  reader: CommunityReader,
  startS: number,
  page: PageRequest = { limit: MAX_PAGE_ITEMS },
): Promise<IntervalView> {
  const { intervalS } = (await reader.communityRow()).genesis;
  const versions = await recentVersions(reader, startS);
  const channels = await enrolledChannels(reader);
  const { items, next } = pageOf(channels, page, { cursorOf: channelCursor, compare: compareCursors });
  const energies = await energiesOf(reader, startS, items);
  if (versions.length === 0 && !(await isKnown(reader, startS, energies, channels))) {
    throw new LedgerError('not-found', `nothing is known of the interval that starts at ${startS}`);
  }
  return { startS, endS: startS + intervalS, energies, ...(next === undefined ? {} : { next }), versions };
}

interface EnrolledChannel {
  readonly meter: string;
  readonly member: string;
  readonly quantity: Quantity;
}

async function enrolledChannels(reader: CommunityReader): Promise<EnrolledChannel[]> {
  return (await reader.all('meter')).flatMap(([meter, { member, channels }]) =>
    channels.map(({ quantity }) => ({ meter, member, quantity })).sort((a, b) => a.quantity - b.quantity),
  );
}

const channelCursor = ({ meter, quantity }: EnrolledChannel): string => `${meter}/${quantity}`;

/** By meter, then by quantity: no id has a slash, and a quantity is one digit. */
function compareCursors(a: string, b: string): number {
  const [meterA = '', quantityA = ''] = a.split('/');
  const [meterB = '', quantityB = ''] = b.split('/');
  return compareUtf8(meterA, meterB) || compareUtf8(quantityA, quantityB);
}

/** Of an interval that was not settled: whether any counter has an energy in it, on this page or beyond. */
async function isKnown(
  reader: CommunityReader,
  startS: number,
  shown: readonly ChannelEnergyView[],
  channels: readonly EnrolledChannel[],
): Promise<boolean> {
  const hasEnergy = ({ energyMwh }: ChannelEnergyView): boolean => energyMwh !== undefined;
  if (shown.some(hasEnergy) || (await reader.row('interval', startKey(startS))) !== undefined) return true;
  return shown.length < channels.length && (await energiesOf(reader, startS, channels)).some(hasEnergy);
}

async function energiesOf(
  reader: CommunityReader,
  startS: number,
  channels: readonly EnrolledChannel[],
): Promise<ChannelEnergyView[]> {
  const settings = intervalSettings(await reader.communityRow());
  const rows = await LoadedRows.of(reader, ['channel']);
  const views: ChannelEnergyView[] = [];
  for (const { meter, member, quantity } of channels) {
    const energy = await rows.run((loaded) => new ChannelEdges(loaded, { meter, quantity }, settings).energy(startS));
    views.push({ meter, member, quantity, ...(typeof energy === 'object' && energy) });
  }
  return views;
}
