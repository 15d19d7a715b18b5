/** What the ledger made of a replay, read back from its store: intervals, homes, sums, and every reading accounted for. */
import { Quantity, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { edgeAt, edgeToleranceS, energyBetween, type IntervalSettings } from '../../core/intervals/edges.js';
import { Readings } from '../../core/intervals/packed-readings.js';
import { balancesRoot, parseVectorContent, type Quality, type SettlementLine } from '../../core/records/index.js';
import { channelKey, type StoredReading, startKey } from '../../core/rows.js';
import { tookPart } from '../../core/sharing/units.js';
import type { Crypto, LedgerStore } from '../../usecases/ports.js';
import { CommunityReader, newestCheckpoint } from '../../usecases/queries/index.js';
import type { Span } from './instants.js';
import type { RecordedFile, RecordedHome } from './recorded-file.js';

/** One home in one interval. Energies are absent when it took no part. */
export interface HomeInterval {
  readonly home: string;
  readonly took?: {
    readonly importMwh: number;
    readonly exportMwh: number;
    readonly receivedMwh: number;
    readonly deliveredMwh: number;
    readonly quality: Quality;
  };
}

export interface HomeOutcome {
  readonly id: string;
  importMwh: number;
  exportMwh: number;
  receivedMwh: number;
  deliveredMwh: number;
  amountMicro: bigint;
}

export interface Outcome {
  readonly settled: number;
  readonly homes: readonly HomeOutcome[];
  readonly sharedMwh: number;
  readonly sumMicro: bigint;
  readonly sumMwh: number;
  readonly readings: { readonly stored: number; readonly booked: number };
  readonly log: { readonly size: number; readonly root: string };
  readonly balancesRoot: string;
}

const ROWS_A_READ = 5_000;
const INTERVALS_A_READ = 500;

export async function readOutcome(input: {
  readonly store: LedgerStore;
  readonly crypto: Crypto;
  readonly community: string;
  readonly file: RecordedFile;
  readonly span: Span;
  readonly intervalS: number;
  /** Told of every home in every interval of the span, by time, then home. */
  readonly onInterval?: (startS: number, homes: readonly HomeInterval[]) => void;
}): Promise<Outcome> {
  const { store, crypto, community, file, span, intervalS, onInterval } = input;
  const reader = await CommunityReader.open(store, community);
  const counters = await readCounters(reader, file, { intervalS, maxSpanS: 0 });
  const homes = new Map(file.homes.map(({ id }) => [id, emptyOutcome(id)]));
  let settled = 0;
  for await (const { startS, lines } of settledIntervals(reader, span, intervalS)) {
    const shown = counters.map((home) => homeInterval(home, lines.get(home.id) ?? [], startS));
    for (const one of shown) addTo(homes.get(one.home), one);
    if (shown.some(({ took }) => took !== undefined)) settled += 1;
    onInterval?.(startS, shown);
  }
  const balances = await reader.all('balance');
  for (const [account, { amountMicro }] of balances) {
    const home = homes.get(account);
    if (home !== undefined) home.amountMicro = amountMicro;
  }
  const accounts = balances.map(([account, balance]) => ({ account, ...balance }));
  return {
    settled,
    homes: [...homes.values()],
    sharedMwh: [...homes.values()].reduce((sum, { receivedMwh }) => sum + receivedMwh, 0),
    sumMicro: accounts.reduce((sum, { amountMicro }) => sum + amountMicro, 0n),
    sumMwh: accounts.reduce((sum, { energyMwh }) => sum + energyMwh, 0),
    readings: countReadings(counters),
    log: await readHead(reader),
    balancesRoot: toHex(balancesRoot(crypto.hasher, accounts)),
  };
}

/** One home's registers as the ledger holds them. */
class HomeCounters {
  readonly id: string;
  readonly settings: IntervalSettings;
  readonly channels: ReadonlyMap<number, readonly StoredReading[]>;
  readonly #packed: ReadonlyMap<number, Readings>;
  /** Readings that were the edge of an interval in which the home took part. */
  readonly booked = new Set<StoredReading>();

  constructor(home: RecordedHome, settings: IntervalSettings, readings: ReadonlyMap<string, readonly StoredReading[]>) {
    this.id = home.id;
    this.settings = settings;
    this.channels = new Map(
      home.quantities.map((quantity) => [quantity, readings.get(channelKey(home.id, quantity)) ?? []]),
    );
    this.#packed = new Map([...this.channels].map(([quantity, list]) => [quantity, Readings.of(list)]));
  }

  /** 0 where the register lacks an edge, or there is none. */
  energyMwh(quantity: number, startS: number): number {
    const readings = this.#packed.get(quantity);
    if (readings === undefined) return 0;
    const edge = (edgeS: number) => edgeAt(readings, edgeS, this.settings);
    const energy = energyBetween(edge(startS), edge(startS + this.settings.intervalS));
    return energy?.energyMwh ?? 0;
  }

  /** The home took part: of each register that counted, what stood at the two edges went into the books. */
  book(startS: number): void {
    const toleranceS = edgeToleranceS(this.settings.intervalS);
    for (const readings of this.channels.values()) {
      const from = nearestGood(readings, startS, toleranceS);
      const to = nearestGood(readings, startS + this.settings.intervalS, toleranceS);
      if (from === undefined || to === undefined) continue;
      this.booked.add(from);
      this.booked.add(to);
    }
  }
}

/** Of two as near the earlier. Readings are sorted by time. */
function nearestGood(readings: readonly StoredReading[], edgeS: number, toleranceS: number): StoredReading | undefined {
  let best: StoredReading | undefined;
  for (let i = lowerBound(readings, edgeS - toleranceS); i < readings.length; i += 1) {
    const reading = readings[i] as StoredReading;
    if (reading.timeS > edgeS + toleranceS) break;
    if (!reading.good) continue;
    if (best === undefined || Math.abs(reading.timeS - edgeS) < Math.abs(best.timeS - edgeS)) best = reading;
  }
  return best;
}

function lowerBound(readings: readonly StoredReading[], timeS: number): number {
  let low = 0;
  let high = readings.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((readings[middle] as StoredReading).timeS < timeS) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function readCounters(
  reader: CommunityReader,
  file: RecordedFile,
  settings: IntervalSettings,
): Promise<readonly HomeCounters[]> {
  const readings = new Map<string, StoredReading[]>();
  let from = '';
  for (;;) {
    const part = await reader.scan('readings', { from, limit: ROWS_A_READ });
    for (const [key, day] of part) {
      const channel = key.slice(0, key.lastIndexOf('/'));
      const list = readings.get(channel) ?? [];
      list.push(...day);
      readings.set(channel, list);
    }
    const last = part[part.length - 1];
    if (last === undefined || part.length < ROWS_A_READ) break;
    from = `${last[0]}\u0000`;
  }
  return file.homes.map((home) => new HomeCounters(home, settings, readings));
}

/** Every interval of the span, with the lines of its newest version by member; none where nothing was settled. */
async function* settledIntervals(reader: CommunityReader, span: Span, intervalS: number) {
  for (let startS = span.firstEdgeS; startS < span.lastEdgeS; startS += INTERVALS_A_READ * intervalS) {
    const endS = Math.min(span.lastEdgeS, startS + INTERVALS_A_READ * intervalS);
    const starts = Array.from({ length: (endS - startS) / intervalS }, (_, i) => startS + i * intervalS);
    const rows = await reader.rows('interval', starts.map(startKey));
    const known = rows.map((row) => row?.settledIndex ?? -1);
    const indices = known.filter((index) => index >= 0);
    const contents = await reader.openings(indices.map((index) => ({ index, part: 0 })));
    const lines = new Map(indices.map((index, i) => [index, linesOf(contents[i], index)]));
    for (const [i, start] of starts.entries()) {
      yield { startS: start, lines: lines.get(known[i] ?? -1) ?? new Map<string, SettlementLine[]>() };
    }
  }
}

function linesOf(content: Uint8Array | undefined, index: number): ReadonlyMap<string, SettlementLine[]> {
  if (content === undefined) throw new LedgerError('invariant', `settlement ${index} has no opening`);
  const byMember = new Map<string, SettlementLine[]>();
  for (const line of parseVectorContent(content).lines) {
    byMember.set(line.member, [...(byMember.get(line.member) ?? []), line]);
  }
  return byMember;
}

function homeInterval(home: HomeCounters, lines: readonly SettlementLine[], startS: number): HomeInterval {
  const taking = lines.filter(tookPart);
  if (taking.length === 0) return { home: home.id };
  home.book(startS);
  const took = {
    importMwh: home.energyMwh(Quantity.gridImport, startS),
    exportMwh: home.energyMwh(Quantity.gridExport, startS),
    receivedMwh: taking.reduce((sum, line) => sum + line.receivedMwh, 0),
    deliveredMwh: taking.reduce((sum, line) => sum + line.deliveredMwh, 0),
    quality: Math.max(...taking.map(({ quality }) => quality)) as Quality,
  };
  return { home: home.id, took };
}

function emptyOutcome(id: string): HomeOutcome {
  return { id, importMwh: 0, exportMwh: 0, receivedMwh: 0, deliveredMwh: 0, amountMicro: 0n };
}

function addTo(sum: HomeOutcome | undefined, { took }: HomeInterval): void {
  if (sum === undefined || took === undefined) return;
  sum.importMwh += took.importMwh;
  sum.exportMwh += took.exportMwh;
  sum.receivedMwh += took.receivedMwh;
  sum.deliveredMwh += took.deliveredMwh;
}

function countReadings(homes: readonly HomeCounters[]): Outcome['readings'] {
  let stored = 0;
  let booked = 0;
  for (const home of homes) {
    for (const readings of home.channels.values()) stored += readings.length;
    booked += home.booked.size;
  }
  return { stored, booked };
}

async function readHead(reader: CommunityReader): Promise<Outcome['log']> {
  const { size, root } = await newestCheckpoint(reader);
  return { size, root: toHex(root) };
}
