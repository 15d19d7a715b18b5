import type { MilliwattHours } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LedgerError } from '../src/core/errors.js';
import type { Quality, RuleSettings, SettlementLine } from '../src/core/records/index.js';
import {
  assembleStatement,
  type MeterCounters,
  type StatementFigures,
  type StatementInput,
  statementRow,
} from '../src/core/statement.js';
import { localDays } from '../src/core/statement-days.js';
import { type MeterEnergy, settleMeters } from './support/meter-settlement.js';
import { randomMeters, randomRules } from './support/random-community.js';
import { nodeHasher } from './support/settlement-reference.js';

function line(
  figures: Partial<Record<'needMwh' | 'offerMwh' | 'receivedMwh' | 'deliveredMwh', number>>,
  more: Partial<SettlementLine> = {},
): SettlementLine {
  const energy = (n: number | undefined) => (n ?? 0) as MilliwattHours;
  return {
    member: 'ann',
    meter: '',
    needMwh: energy(figures.needMwh),
    offerMwh: energy(figures.offerMwh),
    receivedMwh: energy(figures.receivedMwh),
    deliveredMwh: energy(figures.deliveredMwh),
    amountMicro: 0n,
    quality: 0,
    ...more,
  };
}

function input(meters: MeterCounters[], lines: SettlementLine[], more: Partial<StatementInput> = {}): StatementInput {
  return { startS: 900, version: 1, final: true, netting: 2, lines, meters, ...more };
}

function expectIdentities(figures: StatementFigures): void {
  expect(figures.needMwh).toBe(figures.receivedMwh + figures.fromGridMwh);
  expect(figures.offerMwh).toBe(figures.deliveredMwh + figures.toGridMwh);
  expect(figures.importMwh).toBe(figures.needMwh + figures.nettedMwh + figures.outsideImportMwh);
  expect(figures.exportMwh).toBe(figures.offerMwh + figures.nettedMwh + figures.outsideExportMwh);
}

describe('a row', () => {
  it('shows import as received + from grid + netted', () => {
    const counters = { meter: 'a', importMwh: 500, exportMwh: 120, generationMwh: 200 };
    const row = statementRow(input([counters], [line({ needMwh: 380, receivedMwh: 300 }, { amountMicro: -36n })]));
    expect(row).toEqual({
      startS: 900,
      version: 1,
      final: true,
      quality: 0,
      importMwh: 500,
      exportMwh: 120,
      needMwh: 380,
      offerMwh: 0,
      receivedMwh: 300,
      deliveredMwh: 0,
      fromGridMwh: 80,
      toGridMwh: 0,
      nettedMwh: 120,
      outsideImportMwh: 0,
      outsideExportMwh: 0,
      generationMwh: 200,
      usedAtHomeMwh: 80,
      amountMicro: -36n,
      countersDisagree: false,
    });
    expectIdentities(row);
  });

  it('nets nothing under netting none', () => {
    const counters = { meter: 'a', importMwh: 500, exportMwh: 120 };
    const own = line({ needMwh: 500, offerMwh: 120, deliveredMwh: 100 }, { meter: 'a' });
    const row = statementRow(input([counters], [own], { netting: 0 }));
    expect(row).toMatchObject({ nettedMwh: 0, fromGridMwh: 500, toGridMwh: 20, outsideImportMwh: 0 });
    expectIdentities(row);
  });

  it('nets each meter by itself under netting meter', () => {
    const meters = [
      { meter: 'house', importMwh: 300, exportMwh: 50 },
      { meter: 'roof', importMwh: 20, exportMwh: 900 },
    ];
    const lines = [line({ needMwh: 250 }, { meter: 'house' }), line({ offerMwh: 880 }, { meter: 'roof' })];
    const row = statementRow(input(meters, lines, { netting: 1 }));
    expect(row).toMatchObject({ importMwh: 320, nettedMwh: 70, needMwh: 250, offerMwh: 880 });
    expectIdentities(row);
  });

  it('shows what was counted while the home took no part as outside', () => {
    const meters = [
      { meter: 'house', importMwh: 'unknown' as const },
      { meter: 'roof', importMwh: 20, exportMwh: 900 },
    ];
    const row = statementRow(input(meters, [line({}, { quality: 4 })]));
    expect(row).toMatchObject({ quality: 4, nettedMwh: 0, outsideImportMwh: 20, outsideExportMwh: 900 });
    expectIdentities(row);
  });

  it('shows a meter without a line, and a member without any, as outside', () => {
    const counters = { meter: 'new', importMwh: 7, exportMwh: 3 };
    for (const netting of [0, 1, 2] as const) {
      const row = statementRow(input([counters], [], { netting }));
      expect(row).toMatchObject({ importMwh: 7, outsideImportMwh: 7, outsideExportMwh: 3, quality: 4 });
      expectIdentities(row);
    }
  });

  it('shows the part that a participation factor keeps outside', () => {
    const row = statementRow(
      input([{ meter: 'a', importMwh: 1000, exportMwh: 1 }], [line({ needMwh: 329, receivedMwh: 329 })]),
    );
    expect(row).toMatchObject({ nettedMwh: 1, outsideImportMwh: 670, fromGridMwh: 0, countersDisagree: false });
    expectIdentities(row);
  });

  it('counts a meter once after the netting changed between versions', () => {
    const lines = [line({ needMwh: 9 }), line({}, { meter: 'a', quality: 4 })];
    const row = statementRow(input([{ meter: 'a', importMwh: 9 }], lines));
    expect(row).toMatchObject({ importMwh: 9, needMwh: 9, outsideImportMwh: 0, quality: 0 });
  });

  it('adds the levy for the commons member, with lines or without', () => {
    expect(statementRow(input([], [], { levyMicro: 574n })).amountMicro).toBe(574n);
    const own = line({ offerMwh: 5, deliveredMwh: 5 }, { amountMicro: 6n });
    expect(statementRow(input([{ meter: 'a', exportMwh: 5 }], [own], { levyMicro: 4n })).amountMicro).toBe(10n);
  });

  it('says so where the counters are not those that were settled', () => {
    const row = statementRow(input([{ meter: 'a', importMwh: 8 }], [line({ needMwh: 9 })]));
    expect(row).toMatchObject({ outsideImportMwh: -1, countersDisagree: true });
    expectIdentities(row);
  });
});

describe('use at home', () => {
  const used = (counters: Omit<MeterCounters, 'meter'>) => {
    const { importMwh = 0, exportMwh = 0 } = counters;
    const net = Number(importMwh) - Number(exportMwh);
    const own = line({ needMwh: Math.max(0, net), offerMwh: Math.max(0, -net) });
    const { usedAtHomeMwh, generationMwh, countersDisagree } = statementRow(
      input([{ meter: 'a', ...counters }], [own]),
    );
    return [generationMwh, usedAtHomeMwh, countersDisagree];
  };

  it('is generation less export', () => {
    expect(used({ importMwh: 10, exportMwh: 300, generationMwh: 1000 })).toEqual([1000, 700, false]);
    expect(used({ exportMwh: 300, generationMwh: 300 })).toEqual([300, 0, false]);
  });

  it('is not claimed without a generation counter, or with a counter unknown', () => {
    expect(used({ importMwh: 10 })).toEqual([undefined, undefined, false]);
    expect(used({ importMwh: 10, generationMwh: 'unknown' })).toEqual([undefined, undefined, false]);
    expect(
      statementRow(input([{ meter: 'a', exportMwh: 'unknown', generationMwh: 5 }], [line({}, { quality: 4 })])),
    ).toMatchObject({
      generationMwh: 5,
      usedAtHomeMwh: undefined,
      countersDisagree: false,
    });
  });

  it('is not claimed where more is exported than was made: the counters disagree', () => {
    expect(used({ exportMwh: 301, generationMwh: 300 })).toEqual([300, undefined, true]);
  });

  it('counts what the battery gave and not what it took', () => {
    expect(used({ exportMwh: 100, generationMwh: 1000, chargeMwh: 400 })).toEqual([1000, 500, false]);
    expect(used({ exportMwh: 100, generationMwh: 0, dischargeMwh: 700 })).toEqual([0, 600, false]);
  });

  it('is zero while the battery charges from the grid', () => {
    expect(used({ importMwh: 900, generationMwh: 100, chargeMwh: 800 })).toEqual([100, 0, false]);
    expect(used({ importMwh: 500, generationMwh: 100, chargeMwh: 800 })).toEqual([100, undefined, true]);
  });

  it('takes the generation of a meter that takes no part in the sharing', () => {
    const meters = [
      { meter: 'grid', importMwh: 5, exportMwh: 200 },
      { meter: 'inverter', generationMwh: 500 },
    ];
    expect(statementRow(input(meters, [line({ offerMwh: 195 })])).usedAtHomeMwh).toBe(300);
  });

  it('is no shadow of a meter that is called unknown', () => {
    expect(statementRow(input([{ meter: 'unknown', generationMwh: 5 }], [line({})])).usedAtHomeMwh).toBe(5);
  });
});

describe('a statement', () => {
  it('sums what is known, and says how much is', () => {
    const inputs = [
      input(
        [{ meter: 'a', importMwh: 5, exportMwh: 2, generationMwh: 8 }],
        [line({ needMwh: 3 }, { amountMicro: -1n })],
      ),
      input([{ meter: 'a', importMwh: 'unknown' }], [line({}, { quality: 4 })], { final: false }),
      input(
        [{ meter: 'a', exportMwh: 9, generationMwh: 4 }],
        [line({ offerMwh: 9, deliveredMwh: 9 }, { amountMicro: 3n, quality: 1 })],
      ),
    ];
    const { rows, sum } = assembleStatement(inputs);
    expect(rows).toHaveLength(3);
    expect(sum).toMatchObject({
      importMwh: 5,
      exportMwh: 11,
      generationMwh: 12,
      usedAtHomeMwh: 6,
      deliveredMwh: 9,
      amountMicro: 2n,
      intervals: 3,
      provisional: 1,
      qualities: [1, 1, 0, 0, 1, 0],
      countersDisagree: 1,
      generationKnown: 2,
      usedAtHomeKnown: 1,
    });
    expectIdentities(sum);
  });

  it('of nothing is nothing', () => {
    expect(assembleStatement([]).sum).toMatchObject({
      intervals: 0,
      importMwh: 0,
      generationMwh: undefined,
      amountMicro: 0n,
    });
  });

  it('refuses sums that 53 bits cannot hold', () => {
    const giant = input(
      [{ meter: 'a', importMwh: Number.MAX_SAFE_INTEGER }],
      [line({ needMwh: Number.MAX_SAFE_INTEGER })],
    );
    expect(() => assembleStatement([giant, giant])).toThrow(expect.objectContaining({ code: 'invariant' }));
  });

  it('keeps its identities, and its credits those of the settlement, in any community', () => {
    const rules: fc.Arbitrary<RuleSettings> = randomRules.map((drawn) => ({ ...drawn, priceMicroPerKwh: 120_000 }));
    const missing = fc.array(fc.boolean(), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(randomMeters, rules, missing, fc.integer({ min: 1, max: 3 }), (drawn, settings, gaps, perMember) => {
        const meters = drawn.slice(0, 60).map((meter, i): MeterEnergy => {
          const isOut = gaps[i % gaps.length]! && i % 5 === 0;
          const quality: Quality = isOut ? 4 : 0;
          return { ...meter, member: `m${Math.floor(i / perMember)}`, complete: !isOut, quality };
        });
        const { lines, totals } = settleMeters({
          community: 'c',
          startS: 0,
          version: 1,
          rules: settings,
          meters,
          hasher: nodeHasher,
        });
        const members = [...new Set(meters.map(({ member }) => member)), 'commons'];
        let amountMicro = 0n;
        for (const member of members) {
          const own = meters.filter((meter) => meter.member === member);
          const counters = own.map(({ meter, importMwh, exportMwh }) => ({ meter, importMwh, exportMwh }));
          const row = statementRow(
            input(
              counters,
              lines.filter((each) => each.member === member),
              {
                netting: settings.netting,
                levyMicro: member === 'commons' ? totals.levyMicro : undefined,
              },
            ),
          );
          expectIdentities(row);
          expect(row.countersDisagree).toBe(false);
          if (own.every(({ complete }) => complete))
            expect([row.outsideImportMwh, row.outsideExportMwh]).toEqual([0, 0]);
          amountMicro += row.amountMicro;
        }
        expect(amountMicro).toBe(0n);
      }),
    );
  });
});

describe('local days', () => {
  const at = (iso: string) => Date.parse(iso) / 1000;
  const quarters = ({ startS, endS }: { startS: number; endS: number }) => (endS - startS) / 900;
  const days = (from: string, to: string, timeZone: string) => localDays({ fromS: at(from), toS: at(to), timeZone });

  it('have 96 quarter-hours in Brussels, from 22:00 UTC in summer', () => {
    const [day] = days('2024-07-01T12:00:00Z', '2024-07-01T12:15:00Z', 'Europe/Brussels');
    expect(day).toEqual({ day: '2024-07-01', startS: at('2024-06-30T22:00:00Z'), endS: at('2024-07-01T22:00:00Z') });
    expect(quarters(day!)).toBe(96);
  });

  it('have 92 in Brussels when the clocks go forward and 100 when they go back', () => {
    const spring = days('2024-03-30T23:00:00Z', '2024-03-31T22:00:00Z', 'Europe/Brussels');
    expect(spring.map(({ day }) => day)).toEqual(['2024-03-31']);
    expect(spring.map(quarters)).toEqual([92]);
    const autumn = days('2024-10-26T22:00:00Z', '2024-10-27T23:00:00Z', 'Europe/Brussels');
    expect(autumn.map(({ day }) => day)).toEqual(['2024-10-27']);
    expect(autumn.map(quarters)).toEqual([100]);
  });

  it('follow each other without a hole through a year of Brussels', () => {
    const year = days('2023-12-31T23:00:00Z', '2024-12-31T23:00:00Z', 'Europe/Brussels');
    expect(year).toHaveLength(366);
    for (const [i, day] of year.entries()) if (i > 0) expect(day.startS).toBe(year[i - 1]!.endS);
    const lengths = year.map(quarters).filter((count) => count !== 96);
    expect(lengths).toEqual([92, 100]);
  });

  it('belong to the day that has begun at their start, half open', () => {
    const midnight = at('2024-06-30T22:00:00Z');
    const days = (fromS: number, toS: number) =>
      localDays({ fromS, toS, timeZone: 'Europe/Brussels' }).map(({ day }) => day);
    expect(days(midnight - 900, midnight)).toEqual(['2024-06-30']);
    expect(days(midnight, midnight + 900)).toEqual(['2024-07-01']);
    expect(days(midnight - 1, midnight + 1)).toEqual(['2024-06-30', '2024-07-01']);
    expect(days(midnight, midnight)).toEqual([]);
  });

  it('are whole where midnight does not exist, where it comes twice, and where a day was skipped', () => {
    // Beirut goes forward at 00:00; Havana goes back from 01:00 to 00:00; Apia crossed the date line.
    expect(days('2024-03-31T06:00:00Z', '2024-03-31T07:00:00Z', 'Asia/Beirut').map(quarters)).toEqual([92]);
    expect(days('2024-11-03T06:00:00Z', '2024-11-03T07:00:00Z', 'America/Havana').map(quarters)).toEqual([100]);
    const apia = days('2011-12-29T12:00:00Z', '2011-12-31T12:00:00Z', 'Pacific/Apia').map(({ day }) => day);
    expect(apia).toEqual(['2011-12-29', '2011-12-31', '2012-01-01']);
  });

  it('are the UTC days in UTC', () => {
    expect(days('2024-03-31T00:00:00Z', '2024-04-02T00:00:00Z', 'UTC').map(({ day }) => day)).toEqual([
      '2024-03-31',
      '2024-04-01',
    ]);
  });

  it('refuse an unknown zone, bounds that are no instants, and a period without measure', () => {
    expect(() => localDays({ fromS: 0, toS: 1, timeZone: 'Europe/Atlantis' })).toThrow(LedgerError);
    expect(() => localDays({ fromS: Number.NaN, toS: 1, timeZone: 'UTC' })).toThrow(LedgerError);
    expect(() => localDays({ fromS: 0, toS: 1e12, timeZone: 'UTC' })).toThrow(/at most/);
  });
});
