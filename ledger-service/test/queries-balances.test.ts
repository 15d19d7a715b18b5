/** Balances as of an interval and as known at a size of the log, against a naive sum over the postings. */
import { microCredits } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { type BookedPosting, encodePosting } from '../src/core/posting-codec.js';
import { encodeRow } from '../src/core/row-codec.js';
import { type CommunityRow, indexKey, PROJECTION_FORM, settlementKey, startKey } from '../src/core/rows.js';
import type { RowWrite } from '../src/usecases/ports.js';
import { balancesAt, sumBackward, sumForward } from '../src/usecases/queries/balances.js';
import { CommunityReader } from '../src/usecases/queries/reader.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';
import { postingOfLegs } from './support/meter-settlement.js';

interface Booking {
  readonly index: number;
  readonly interval: number;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

const ACCOUNTS = ['a', 'b', 'c', 'fund'];

/** Bookings at rising indices, of intervals in any order: late ones book into the past. */
const bookings = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 1, max: 4 }),
      interval: fc.integer({ min: 0, max: 9 }),
      from: fc.constantFrom(...ACCOUNTS),
      to: fc.constantFrom(...ACCOUNTS),
      amount: fc.integer({ min: -(10 ** 12), max: 10 ** 12 }),
    }),
    { maxLength: 30 },
  )
  .map((list) => {
    let index = 0;
    return list.map(({ gap, ...booking }): Booking => {
      index += gap;
      return { index, ...booking };
    });
  });

function postingOf({ interval, from, to, amount }: Booking, version: number): BookedPosting {
  const leg = (account: string, sign: 1 | -1) => ({
    account,
    amountMicro: microCredits(BigInt(sign * amount) * 1_000_000n),
    energyMwh: sign * amount,
  });
  const legs = from === to ? [] : [leg(from, -1), leg(to, 1)];
  return { startS: START_S + interval * INTERVAL_S, version, legs };
}

function naive(list: readonly Booking[], counts: (booking: Booking) => boolean): Map<string, number> {
  const sums = new Map<string, number>();
  for (const booking of list.filter(counts)) {
    for (const { account, energyMwh } of postingOf(booking, 1).legs) {
      sums.set(account, (sums.get(account) ?? 0) + energyMwh);
    }
  }
  return sums;
}

/** A store with the rows that balances are read from. */
async function storeOf(list: readonly Booking[], size: number): Promise<CommunityReader> {
  const store = new MemoryStore();
  const leaves = Array.from(
    { length: size },
    (_, i): RowWrite => ({
      table: 'leaf',
      key: indexKey(i),
      value: Uint8Array.of(i % 256),
    }),
  );
  const community = { form: PROJECTION_FORM, genesis: { intervalS: INTERVAL_S }, size } as unknown as CommunityRow;
  const writes: RowWrite[] = [
    ...leaves,
    { table: 'community', key: '', value: encodeRow('community', community) },
    ...list.flatMap((booking, i) => bookingWrites(booking, i + 1)),
    ...[...naive(list, () => true)].map(([account, energyMwh]): RowWrite => {
      const row = { amountMicro: microCredits(BigInt(energyMwh) * 1_000_000n), energyMwh };
      return { table: 'balance', key: account, value: encodeRow('balance', row) };
    }),
  ];
  await store.commit('sunny', { expectedSize: 0, newSize: size, writes });
  return CommunityReader.open(store, 'sunny');
}

function bookingWrites(booking: Booking, version: number): RowWrite[] {
  const posting = postingOf(booking, version);
  const settlement = { index: booking.index, reason: 3, rulesIndex: 0, final: false };
  const interval = { version, final: false, settledIndex: booking.index, touchedIndex: booking.index };
  return [
    { table: 'posting', key: indexKey(booking.index), value: encodePosting(posting, postingOfLegs(posting.legs)) },
    { table: 'settlement', key: settlementKey(posting.startS, version), value: encodeRow('settlement', settlement) },
    { table: 'interval', key: startKey(posting.startS), value: encodeRow('interval', interval) },
  ];
}

const nonZero = (accounts: Iterable<readonly [string, { energyMwh: number; amountMicro: bigint }]>) =>
  new Map(
    [...accounts]
      .filter(([, { energyMwh }]) => energyMwh !== 0)
      .map(([account, { energyMwh, amountMicro }]) => [account, [energyMwh, amountMicro]]),
  );

describe('balances', () => {
  it('are the same summed from the beginning, back from today, and by a naive sum', async () => {
    const moment = {
      asOf: fc.option(fc.integer({ min: 0, max: 11 })),
      knownAt: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    };
    await fc.assert(
      fc.asyncProperty(bookings, fc.integer({ min: 1, max: 5 }), fc.record(moment), async (list, rest, ask) => {
        const size = (list.at(-1)?.index ?? 0) + rest;
        const reader = await storeOf(list, size);
        const asOfS = ask.asOf === null ? undefined : START_S + ask.asOf * INTERVAL_S;
        const knownAt = ask.knownAt === null ? undefined : Math.floor(ask.knownAt * size);
        const question = { ...(asOfS !== undefined && { asOfS }), ...(knownAt !== undefined && { knownAt }) };
        const expected = naive(list, ({ index, interval }) => {
          const endS = START_S + (interval + 1) * INTERVAL_S;
          return index < (knownAt ?? size) && endS <= (asOfS ?? endS);
        });
        const wanted = nonZero(
          [...expected].map(([account, energyMwh]) => [
            account,
            { energyMwh, amountMicro: BigInt(energyMwh) * 1_000_000n },
          ]),
        );
        expect(nonZero((await sumForward(reader, question, INTERVAL_S)).balances)).toEqual(wanted);
        expect(nonZero((await sumBackward(reader, question, INTERVAL_S)).balances)).toEqual(wanted);
        expect(nonZero((await balancesAt(reader, question)).accounts)).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it('as known before a late frame came stay what they were', async () => {
    const homes = ['h1', 'h2', 'h3'];
    const street = await LedgerStreet.build({ homes });
    const edge = (n: number, who: readonly string[]) => {
      const all = countersAt(homes, n);
      const some = Object.fromEntries(who.map((home) => [home, all[home]!]));
      return street.edge(START_S + n * INTERVAL_S, some);
    };
    await edge(0, homes);
    await edge(1, ['h1', 'h2']);
    // The interval is settled without h3 when its time is over.
    await street.wait(START_S + 2 * INTERVAL_S + 10);
    const reader = await CommunityReader.open(street.store, street.community);
    const knownAt = await reader.size();
    const before = await balancesAt(reader, {});
    expect(before.accounts.get('m-h3')).toBeUndefined();
    await street.late('h3', START_S + INTERVAL_S, countersAt(homes, 1).h3!);
    const after = await balancesAt(reader, {});
    expect(after.accounts.get('m-h3')?.energyMwh).toBeLessThan(0);
    expect(nonZero((await balancesAt(reader, { knownAt })).accounts)).toEqual(nonZero(before.accounts));
    const asOf = { asOfS: START_S + INTERVAL_S };
    expect(nonZero((await balancesAt(reader, { ...asOf, knownAt })).accounts)).toEqual(nonZero(before.accounts));
    expect(nonZero((await balancesAt(reader, asOf)).accounts)).toEqual(nonZero(after.accounts));
  });
});

describe('a read that spans several rows', () => {
  it('is tried again when a commit lands in between, and gives up with conflict when it always does', async () => {
    const reader = await storeOf([], 3);
    let runs = 0;
    const { result } = await reader.steady(async () => ++runs);
    expect([result, runs]).toEqual([1, 1]);
    const restless = await restlessReader();
    await expect(restless.steady(async () => 1)).rejects.toMatchObject({ code: 'conflict' });
  });
});

/** A reader over a store whose log grows between any two reads of its size. */
async function restlessReader(): Promise<CommunityReader> {
  let size = 1;
  const store = Object.assign(Object.create(new MemoryStore()), { size: async () => size++ });
  return CommunityReader.open(store, 'sunny');
}
