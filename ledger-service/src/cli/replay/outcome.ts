/** What the ledger made of a replay, read back from its store: intervals, homes, sums, and every reading accounted for. */
import { Quantity, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { balancesRoot, parseVectorContent, type Quality, type SettlementLine } from '../../core/records/index.js';
import { startKey } from '../../core/rows.js';
import { tookPart } from '../../core/sharing/units.js';
import type { Rows } from '../../core/working-set.js';
import type { Crypto, LedgerStore } from '../../usecases/ports.js';
import { CommunityReader, newestCheckpoint } from '../../usecases/queries/index.js';
import { type HomeCounters, readCounters } from './home-counters.js';
import type { Span } from './instants.js';
import type { RecordedFile } from './recorded-file.js';

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
  const counters = await readCounters(reader, file);
  const homes = new Map(file.homes.map(({ id }) => [id, emptyOutcome(id)]));
  let settled = 0;
  for await (const { startS, lines } of settledIntervals(reader, span, intervalS)) {
    const shown: HomeInterval[] = [];
    for (const home of counters.homes) {
      shown.push(await counters.run((rows) => homeInterval(rows, home, lines.get(home.id) ?? [], startS)));
    }
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
    readings: countReadings(counters.homes),
    log: await readHead(reader),
    balancesRoot: toHex(balancesRoot(crypto.hasher, accounts)),
  };
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

function homeInterval(rows: Rows, home: HomeCounters, lines: readonly SettlementLine[], startS: number): HomeInterval {
  const taking = lines.filter(tookPart);
  if (taking.length === 0) return { home: home.id };
  home.book(rows, startS);
  const took = {
    importMwh: home.energyMwh(rows, Quantity.gridImport, startS),
    exportMwh: home.energyMwh(rows, Quantity.gridExport, startS),
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
  const counts = homes.map((home) => home.counts);
  return {
    stored: counts.reduce((sum, { stored }) => sum + stored, 0),
    booked: counts.reduce((sum, { booked }) => sum + booked, 0),
  };
}

async function readHead(reader: CommunityReader): Promise<Outcome['log']> {
  const { size, root } = await newestCheckpoint(reader);
  return { size, root: toHex(root) };
}
