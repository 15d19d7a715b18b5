/** Statements out of a real ledger: left-out intervals, late frames, days of 23 and 25 hours. */
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { LedgerError } from '../src/core/errors.js';
import { listGateways } from '../src/usecases/queries/gateways.js';
import { healthOf } from '../src/usecases/queries/health.js';
import { findInterval, listIntervals } from '../src/usecases/queries/intervals.js';
import { resolvePeriod } from '../src/usecases/queries/period.js';
import { CommunityReader } from '../src/usecases/queries/reader.js';
import { listHomes } from '../src/usecases/queries/registry.js';
import { newestSettlement, settlementVersion } from '../src/usecases/queries/settlements.js';
import { statementOf } from '../src/usecases/queries/statement.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const HOMES = ['h1', 'h2', 'h3'];

async function streetWithGap(): Promise<{ street: LedgerStreet; reader: CommunityReader }> {
  const street = await LedgerStreet.build({ homes: HOMES, levyBasisPoints: 1000 });
  for (let n = 0; n <= 4; n++) {
    const { h3, ...others } = countersAt(HOMES, n);
    // h3 is silent at edges 2 and 3: further than maxSpan, so three of its intervals have no edge.
    await street.edge(START_S + n * INTERVAL_S, n === 2 || n === 3 ? others : { ...others, h3: h3! });
  }
  await street.wait(START_S + 5 * INTERVAL_S + 10);
  return { street, reader: await CommunityReader.open(street.store, street.community) };
}

const PERIOD = { fromS: START_S, toS: START_S + 4 * INTERVAL_S };

describe('a statement', () => {
  it('shows the intervals that a member was left out of, as missing and with nothing in them', async () => {
    const { reader } = await streetWithGap();
    const { rows, sum } = await statementOf(reader, 'm-h3', PERIOD);
    expect(rows.map(({ quality }) => quality)).toEqual([0, 4, 4, 4]);
    expect(rows.slice(1).every(({ receivedMwh, amountMicro }) => receivedMwh === 0 && amountMicro === 0n)).toBe(true);
    expect([sum.intervals, sum.qualities[4], sum.provisional]).toEqual([4, 3, 3]);
  });

  it('is of the newest version: a late frame makes it whole', async () => {
    const { street, reader } = await streetWithGap();
    const before = await statementOf(reader, 'm-h3', PERIOD);
    await street.late('h3', START_S + 2 * INTERVAL_S, countersAt(HOMES, 2).h3!);
    await street.late('h3', START_S + 3 * INTERVAL_S, countersAt(HOMES, 3).h3!);
    const after = await statementOf(reader, 'm-h3', PERIOD);
    expect(after.rows.map(({ quality }) => quality)).toEqual([0, 0, 0, 0]);
    expect(
      after.rows
        .map(({ version }) => version)
        .slice(1)
        .every((version) => version > 1),
    ).toBe(true);
    expect(after.sum.receivedMwh).toBeGreaterThan(before.sum.receivedMwh);
    const balance = await reader.row('balance', 'm-h3');
    expect(after.sum.amountMicro).toBe(balance?.amountMicro);
  });

  it('gives the levy to the commons member, and sums to its balance', async () => {
    const { reader } = await streetWithGap();
    const { sum } = await statementOf(reader, 'fund', PERIOD);
    expect(sum.amountMicro).toBeGreaterThan(0n);
    expect(sum.amountMicro).toBe((await reader.row('balance', 'fund'))?.amountMicro);
  });

  it('keeps its identities in every row: need is received and from the grid, offer is delivered and to the grid', async () => {
    const { reader } = await streetWithGap();
    for (const member of ['m-h1', 'm-h2', 'm-h3']) {
      const { rows, sum } = await statementOf(reader, member, PERIOD);
      for (const row of [...rows, sum]) {
        expect(row.needMwh).toBe(row.receivedMwh + row.fromGridMwh);
        expect(row.offerMwh).toBe(row.deliveredMwh + row.toGridMwh);
        expect(row.importMwh).toBe(row.needMwh + row.nettedMwh + row.outsideImportMwh);
      }
    }
  });

  it('refuses a member that there is not', async () => {
    const { reader } = await streetWithGap();
    await expect(statementOf(reader, 'm-h4', PERIOD)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('a period named by days', () => {
  async function lengthOf(timeZone: string, day: string, next: string): Promise<number> {
    const street = await LedgerStreet.build({ homes: [], timeZone });
    const reader = await CommunityReader.open(street.store, street.community);
    const { fromS, toS } = await resolvePeriod(reader, { from: day, to: next });
    return (toS - fromS) / INTERVAL_S;
  }

  it('has 92, 96 or 100 quarter-hours, as the clocks on the wall go', async () => {
    expect(await lengthOf('Europe/Berlin', '2024-03-31', '2024-04-01')).toBe(92);
    expect(await lengthOf('Europe/Berlin', '2024-06-01', '2024-06-02')).toBe(96);
    expect(await lengthOf('Europe/Berlin', '2024-10-27', '2024-10-28')).toBe(100);
    expect(await lengthOf('Asia/Kathmandu', '2024-10-27', '2024-10-28')).toBe(96);
  });

  it('is refused where the calendar has no such day', async () => {
    // Samoa went from the 29th to the 31st of December 2011.
    await expect(lengthOf('Pacific/Apia', '2011-12-30', '2011-12-31')).rejects.toBeInstanceOf(LedgerError);
    await expect(lengthOf('Europe/Berlin', '2024-02-30', '2024-03-01')).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('is empty before anything is known', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const reader = await CommunityReader.open(street.store, street.community);
    expect(await resolvePeriod(reader, {})).toEqual({ fromS: 0, toS: 0 });
    expect((await statementOf(reader, 'fund', { fromS: 0, toS: 0 })).rows).toEqual([]);
  });
});

describe('an interval', () => {
  it('tells what every counter moved, and nothing where an edge is missing', async () => {
    const { reader } = await streetWithGap();
    const { energies } = await findInterval(reader, START_S + INTERVAL_S);
    const of = (meter: string, quantity: number) =>
      energies.find((energy) => energy.meter === meter && energy.quantity === quantity);
    expect(of('e-h1', 1)).toMatchObject({ member: 'm-h1', energyMwh: 100_000, quality: 0 });
    expect(of('e-h3', 1)).toEqual({ meter: 'e-h3', member: 'm-h3', quantity: 1 });
  });

  it('is refused off the grid, and not found where nothing is known of it', async () => {
    const { reader } = await streetWithGap();
    await expect(findInterval(reader, START_S + 1)).rejects.toMatchObject({ code: 'bad-request' });
    await expect(findInterval(reader, START_S + 86_400)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is listed by when it starts, half open', async () => {
    const { reader } = await streetWithGap();
    const range = { fromS: START_S + INTERVAL_S, toS: START_S + 3 * INTERVAL_S };
    const { items } = await listIntervals(reader, range, { limit: 10 });
    expect(items.map(({ startS }) => startS)).toEqual([START_S + INTERVAL_S, START_S + 2 * INTERVAL_S]);
  });
});

describe('a settlement', () => {
  it('keeps every version, linked to the one before', async () => {
    const { street, reader } = await streetWithGap();
    await street.late('h3', START_S + 2 * INTERVAL_S, countersAt(HOMES, 2).h3!);
    const startS = START_S + INTERVAL_S;
    const { newest, versions } = await newestSettlement(reader, { startS, withLines: true });
    expect(versions.map(({ version }) => version)).toEqual([1, 2]);
    expect(newest).toMatchObject({ version: 2, reason: 3, previousIndex: versions[0]!.index });
    const first = await settlementVersion(reader, { startS, version: 1, withLines: true });
    expect(first.lines?.find(({ member }) => member === 'm-h3')?.quality).toBe(4);
    expect(newest.lines?.find(({ member }) => member === 'm-h3')?.quality).toBe(0);
  });

  it('whose contents were erased keeps its shell, and holds its totals back from the public', async () => {
    const { street, reader } = await streetWithGap();
    const { index } = await settlementVersion(reader, { startS: START_S, version: 1, withLines: true });
    const size = await reader.size();
    const key = `${String(index).padStart(12, '0')}/000000000000`;
    const writes = [{ table: 'opening', key, value: undefined }] as const;
    await street.store.commit(street.community, { expectedSize: size, newSize: size, writes });
    const mine = await settlementVersion(reader, { startS: START_S, version: 1, withLines: true });
    expect([mine.lines, mine.totals?.units]).toEqual([undefined, 3]);
    const everyones = await settlementVersion(reader, { startS: START_S, version: 1, withLines: false });
    expect([everyones.lines, everyones.totals]).toEqual([undefined, undefined]);
  });
});

describe('the registry', () => {
  it('shows homes by what their devices say, and gateways with what came of them', async () => {
    const { street, reader } = await streetWithGap();
    const { items } = await listHomes(reader, { limit: 10 });
    expect(items).toContainEqual({
      id: 'h1',
      member: 'm-h1',
      gateways: [street.kidOf('h1')],
      meters: ['e-h1'],
      active: true,
    });
    const gateways = await listGateways(reader, street.hasher, { limit: 10 });
    const silent = gateways.items.find(({ home }) => home === 'h3');
    expect(silent).toMatchObject({ epoch: 1, nextNumber: 4, acceptedFrames: 3, parkedFrames: 0, forked: false });
  });
});

describe('health', () => {
  it('is a reason, never a throw, when the store is closed', async () => {
    const store = new MemoryStore();
    await store.close();
    const { status, reasons } = await healthOf({ store, clock: { nowMs: () => 0 }, probes: [] });
    expect([status, reasons]).toEqual(['unhealthy', ['reading the store failed (store)']]);
  });
});
