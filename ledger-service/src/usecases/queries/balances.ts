/**
 * Balances: as they are, or as they were. Two questions are answered separately: up to which interval (`asOfS`), and by
 * what the ledger knew then (`knownAt`, a size of the log). Postings are never changed, so both have one answer for ever.
 */
import { type MicroCredits, microCredits } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { type BookedPosting, decodePosting } from '../../core/posting-codec.js';
import { type CommunityRow, indexKey, startKey } from '../../core/rows.js';
import { type CommunityReader, keyAfter } from './reader.js';

/** Postings decoded between two breaths. */
const POSTINGS_A_READ = 500;

export interface BalanceQuestion {
  /** An interval's end, UTC seconds: intervals that end later do not count. */
  readonly asOfS?: number;
  /** A size of the log: bookings at this index and later do not count. */
  readonly knownAt?: number;
}

export interface Balance {
  /** Plus: owed to the member. */
  readonly amountMicro: MicroCredits;
  /** Delivered minus received. */
  readonly energyMwh: number;
}

export interface Balances {
  readonly asOfS?: number;
  readonly knownAt: number;
  /** By account, in the order of the accounts' bytes. Accounts that were never booked on are not in here. */
  readonly accounts: ReadonlyMap<string, Balance>;
}

/**
 * Throws 'bad-request' for an `asOfS` that is not the end of an interval, or a `knownAt` beyond the log.
 * What lies nearer is summed: from the beginning up to the moment asked for, or from today's balances back to it.
 */
export async function balancesAt(reader: CommunityReader, question: BalanceQuestion): Promise<Balances> {
  const community = await reader.communityRow();
  checkQuestion(community, question);
  const { asOfS, knownAt } = question;
  const summed = (await isNearEnd(reader, community, question))
    ? await sumBackward(reader, question, community.genesis.intervalS)
    : await sumForward(reader, question, community.genesis.intervalS);
  return { ...(asOfS === undefined ? {} : { asOfS }), knownAt: knownAt ?? summed.size, accounts: summed.balances };
}

function checkQuestion({ genesis, size }: CommunityRow, { asOfS, knownAt }: BalanceQuestion): void {
  const { intervalS } = genesis;
  if (asOfS !== undefined && asOfS % intervalS !== 0) {
    throw new LedgerError('bad-request', `asOf: expected the end of an interval of ${intervalS} s, got ${asOfS}`);
  }
  if (knownAt !== undefined && knownAt > size) {
    throw new LedgerError('bad-request', `knownAt: expected a size of the log up to ${size}, got ${knownAt}`);
  }
}

interface Summed {
  readonly size: number;
  readonly balances: Map<string, Balance>;
}

/** From nothing, over the bookings that count. Exported for the tests: both ways give the same. */
export async function sumForward(
  reader: CommunityReader,
  { asOfS = Number.POSITIVE_INFINITY, knownAt }: BalanceQuestion,
  intervalS: number,
): Promise<Summed> {
  const size = await reader.size();
  const balances = new Map<string, Balance>();
  for await (const posting of postings(reader, { from: 0, to: knownAt ?? size })) {
    if (posting.startS + intervalS <= asOfS) addLegs(balances, posting, 1);
  }
  return { size, balances: inOrder(balances) };
}

/** From today's balances, taking off the bookings that do not count. */
export async function sumBackward(
  reader: CommunityReader,
  { asOfS, knownAt }: BalanceQuestion,
  intervalS: number,
): Promise<Summed> {
  const { size, result } = await reader.steady(() => reader.all('balance'));
  const balances = new Map<string, Balance>(result);
  const known = knownAt ?? size;
  if (known < size) {
    for await (const posting of postings(reader, { from: known, to: size })) addLegs(balances, posting, -1);
  }
  if (asOfS !== undefined) {
    for await (const posting of postingsAfter(reader, asOfS - intervalS, known)) addLegs(balances, posting, -1);
  }
  return { size, balances: inOrder(balances) };
}

/** Bookings with an index in `[from, to)`. */
async function* postings(
  reader: CommunityReader,
  { from, to }: { from: number; to: number },
): AsyncGenerator<BookedPosting> {
  let next = indexKey(from);
  for (;;) {
    const part = await reader.scan('posting', { from: next, to: indexKey(to), limit: POSTINGS_A_READ });
    for (const [, posting] of part) yield decodePosting(posting);
    const last = part[part.length - 1];
    if (last === undefined || part.length < POSTINGS_A_READ) return;
    next = keyAfter(last[0]);
    await reader.pause();
  }
}

/** Bookings below index `known` of intervals that start after `startS`. Every booking so far is a settlement's. */
async function* postingsAfter(reader: CommunityReader, startS: number, known: number): AsyncGenerator<BookedPosting> {
  let next = startKey(Math.max(0, startS + 1));
  for (;;) {
    const part = await reader.scan('settlement', { from: next, limit: POSTINGS_A_READ });
    const indices = part.map(([, settlement]) => settlement.index).filter((index) => index < known);
    for (const posting of await reader.rows('posting', indices.map(indexKey)))
      if (posting) yield decodePosting(posting);
    const last = part[part.length - 1];
    if (last === undefined || part.length < POSTINGS_A_READ) return;
    next = keyAfter(last[0]);
    await reader.pause();
  }
}

function addLegs(balances: Map<string, Balance>, posting: BookedPosting, sign: 1 | -1): void {
  for (const { account, amountMicro, energyMwh } of posting.legs) {
    const known = balances.get(account) ?? { amountMicro: microCredits(0n), energyMwh: 0 };
    balances.set(account, {
      amountMicro: microCredits(known.amountMicro + BigInt(sign) * amountMicro),
      energyMwh: known.energyMwh + sign * energyMwh,
    });
  }
}

function inOrder(balances: Map<string, Balance>): Map<string, Balance> {
  return new Map([...balances].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether less lies between the moment asked for and now than between the beginning and it. */
async function isNearEnd(
  reader: CommunityReader,
  { size, genesis }: CommunityRow,
  { asOfS, knownAt }: BalanceQuestion,
): Promise<boolean> {
  if (knownAt !== undefined && knownAt < size / 2) return false;
  if (asOfS === undefined) return true;
  const first = await edgeOfIntervals(reader, false);
  const last = await edgeOfIntervals(reader, true);
  return first === undefined || last === undefined || asOfS - genesis.intervalS > (first + last) / 2;
}

async function edgeOfIntervals(reader: CommunityReader, reverse: boolean): Promise<number | undefined> {
  const [edge] = await reader.scan('interval', { limit: 1, reverse });
  return edge === undefined ? undefined : Number(edge[0]);
}
