import type { MicroCredits } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Balances } from '../src/core/balances.js';
import type { Leg } from '../src/core/posting-codec.js';
import { compareUnits, type SettlementLine, type SettlementTotals, type UnitName } from '../src/core/records/index.js';
import type { BalanceRow } from '../src/core/rows.js';
import { MAX_AMOUNT_MICRO } from '../src/core/settlement.js';
import { WorkingSet } from '../src/core/working-set.js';
import {
  legsOfDifference,
  type MeterEnergy,
  type MeterSettlement,
  type MeterSettlementInput,
  postingOfLegs,
  settleMeters,
} from './support/meter-settlement.js';
import { randomMeters, randomRules } from './support/random-community.js';
import { nodeHasher } from './support/settlement-reference.js';
import { previousLinesOf, readSettlementVector, settleVector, totalsOf } from './support/settlement-vector.js';

const affordable = randomRules.map((rules) => ({ ...rules, priceMicroPerKwh: rules.priceMicroPerKwh % 1_000_001 }));

function settleAs(
  version: number,
  meters: MeterEnergy[],
  rules: MeterSettlementInput['rules'],
  previous?: MeterSettlement,
) {
  const previousLines = previous?.lines;
  return settleMeters({ community: 'c', startS: 0, version, rules, meters, previousLines, hasher: nodeHasher });
}

function sumsOf(legs: readonly Leg[]): [bigint, bigint] {
  return [
    legs.reduce((sum, leg) => sum + leg.amountMicro, 0n),
    legs.reduce((sum, leg) => sum + BigInt(leg.energyMwh), 0n),
  ];
}

type BalanceMap = ReadonlyMap<string, Pick<BalanceRow, 'energyMwh'> & { readonly amountMicro: bigint }>;

/** The balances that the postings change, as they are afterwards. */
function balancesAfter(before: BalanceMap, ...postings: (readonly Leg[])[]): Map<string, BalanceRow> {
  const rows = new WorkingSet();
  rows.loadWhole('balance', before as ReadonlyMap<string, BalanceRow>);
  const balances = new Balances(rows);
  for (const legs of postings) {
    const posting = postingOfLegs(legs);
    balances.check(posting);
    balances.book(posting);
  }
  balances.put();
  return new Map(rows.changes().map(({ key, row }) => [key, row as BalanceRow]));
}

const leg = (account: string, amountMicro: bigint, energyMwh: number): Leg => ({
  account,
  amountMicro: amountMicro as MicroCredits,
  energyMwh,
});

describe('the postings of version 1', () => {
  it('credit the producers, debit the consumers, and give the levy to the commons', () => {
    const vector = readSettlementVector('settlement-scarce-sun.json');
    const { lines, totals } = settleVector(vector);
    expect(legsOfDifference({ lines, totals, commonsMember: 'commons' })).toEqual([
      leg('anna', 137_545n, 1_150_000),
      leg('ben', -78_407n, -653_395),
      leg('carla', -60_900n, -507_500),
      leg('commons', 574n, 0),
      leg('dora', 35_881n, 300_000),
      leg('shop', -34_693n, -289_105),
    ]);
  });

  it('bring the meters of one member together, and leave out who comes to nothing', () => {
    const vector = readSettlementVector('settlement-netting-none.json');
    const { lines, totals } = settleVector(vector);
    expect(legsOfDifference({ lines, totals, commonsMember: 'commons' })).toEqual([
      leg('pia', 86_364n, 719_697),
      leg('quentin', -86_364n, -719_697),
    ]);
  });

  it('add the levy to the lines of a commons member with a meter of its own', () => {
    const vector = readSettlementVector('settlement-scarce-sun.json');
    const { lines, totals } = settleVector(vector);
    const legs = legsOfDifference({ lines, totals, commonsMember: 'dora' });
    expect(legs.find(({ account }) => account === 'dora')).toEqual(leg('dora', 36_455n, 300_000));
  });

  it('are none where nothing was shared', () => {
    const { lines, totals } = settleVector(readSettlementVector('settlement-night.json'));
    expect(legsOfDifference({ lines, totals, commonsMember: 'commons' })).toEqual([]);
  });
});

describe('the postings of a later version', () => {
  it('are the difference to the version before, account by account', () => {
    const vector = readSettlementVector('settlement-late.json');
    const { lines, totals } = settleVector(vector);
    const legs = legsOfDifference({
      lines,
      totals,
      previousLines: previousLinesOf(vector),
      previousTotals: totalsOf(vector.previousTotals!),
      commonsMember: vector.commonsMember!,
    });
    expect(legs.map(({ account, amountMicro, energyMwh }) => [account, `${amountMicro}`, energyMwh])).toEqual(
      vector.expect.postings,
    );
  });

  it('are none where nothing changed', () => {
    const { lines, totals } = settleVector(readSettlementVector('settlement-late.json'));
    const same = { lines, totals, previousLines: lines, previousTotals: totals, commonsMember: 'commons' };
    expect(legsOfDifference(same)).toEqual([]);
  });

  it('are refused where the version before is not the one that was booked', () => {
    const { lines, totals } = settleVector(readSettlementVector('settlement-late.json'));
    const wrong = { lines, totals, previousLines: lines.slice(1), previousTotals: totals, commonsMember: 'commons' };
    expect(() => legsOfDifference(wrong)).toThrow(expect.objectContaining({ code: 'invariant' }));
  });

  it('sum to zero, and all versions together to the newest', () => {
    fc.assert(
      fc.property(fc.array(randomMeters, { minLength: 1, maxLength: 4 }), affordable, (inputs, rules) => {
        const versions: MeterSettlement[] = [];
        let balances: ReadonlyMap<string, BalanceRow> = new Map();
        for (const [i, meters] of inputs.entries()) {
          const previous = versions[i - 1];
          const { lines, totals } = settleAs(i + 1, meters, rules, previous);
          versions.push({ lines, totals, complete: true });
          const difference = { lines, totals, previousLines: previous?.lines, previousTotals: previous?.totals };
          const legs = legsOfDifference({ ...difference, commonsMember: 'commons' });
          expect(sumsOf(legs)).toEqual([0n, 0n]);
          expect(legs.every((each) => each.amountMicro !== 0n || each.energyMwh !== 0)).toBe(true);
          expect(legs.map(({ account }) => account)).toEqual(legs.map(({ account }) => account).toSorted());
          balances = new Map([...balances, ...balancesAfter(balances, legs)]);
        }
        const newest = versions.at(-1)!;
        const direct = legsOfDifference({ lines: newest.lines, totals: newest.totals, commonsMember: 'commons' });
        const nonZero = [...balances].filter(([, balance]) => balance.amountMicro !== 0n || balance.energyMwh !== 0);
        expect(new Map(nonZero)).toEqual(balancesAfter(new Map(), direct));
      }),
    );
  });
});

describe('the postings of amounts of any size', () => {
  const amount = fc.oneof(
    fc.bigInt(-1000n, 1000n),
    fc.bigInt(-(2n ** 53n), 2n ** 53n),
    fc.bigInt(-(2n ** 60n), 2n ** 60n),
  );
  const version = fc
    .record({
      units: fc.uniqueArray(fc.tuple(fc.constantFrom('ann', 'bob', 'cy', 'zoe'), fc.constantFrom('', 'm1', 'm2')), {
        selector: ([member, meter]) => `${member}/${meter}`,
        minLength: 1,
      }),
      amounts: fc.array(amount, { minLength: 12, maxLength: 12 }),
      energies: fc.array(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), { minLength: 12, maxLength: 12 }),
      levyMicro: fc.bigInt(0n, 2n ** 54n),
    })
    .map(({ units, amounts, energies, levyMicro }) => {
      const lines = units
        .map(([member, meter]) => ({ member, meter }))
        .sort(compareUnits)
        .map((unit, i) => lineOf(unit, amounts[i]!, energies[i]!));
      // Somebody whose line makes both sums come to zero.
      const rest = lines.reduce((sum, each) => sum + each.amountMicro, 0n) + levyMicro;
      const restMwh = lines.reduce((sum, each) => sum + each.deliveredMwh - each.receivedMwh, 0);
      lines.push(lineOf({ member: 'zzz', meter: '' }, -rest, -restMwh));
      const paidMicro = lines.reduce((sum, each) => sum + (each.amountMicro < 0n ? -each.amountMicro : 0n), 0n);
      return { lines, totals: { units: lines.length, paidMicro, levyMicro } as SettlementTotals };
    });

  function lineOf(unit: UnitName, amountMicro: bigint, energyMwh: number): SettlementLine {
    const [given, taken] = [Math.max(0, energyMwh), Math.max(0, -energyMwh)];
    const energies = { needMwh: taken, offerMwh: given, receivedMwh: taken, deliveredMwh: given };
    return { ...unit, ...energies, amountMicro, quality: 0 } as SettlementLine;
  }

  it('are those that a table of bigints comes to', () => {
    fc.assert(
      fc.property(
        version,
        fc.option(version, { nil: undefined }),
        fc.constantFrom('ann', 'fund'),
        (now, before, commons) => {
          const sums = new Map<string, [bigint, bigint]>();
          const add = (account: string, micro: bigint, mwh: bigint) => {
            const [knownMicro, knownMwh] = sums.get(account) ?? [0n, 0n];
            sums.set(account, [knownMicro + micro, knownMwh + mwh]);
          };
          for (const [sign, each] of [
            [1n, now],
            [-1n, before],
          ] as const) {
            for (const { member, amountMicro, deliveredMwh, receivedMwh } of each?.lines ?? []) {
              add(member, sign * amountMicro, sign * BigInt(deliveredMwh - receivedMwh));
            }
            add(commons, sign * (each?.totals.levyMicro ?? 0n), 0n);
          }
          const expected = [...sums]
            .filter(([, [micro, mwh]]) => micro !== 0n || mwh !== 0n)
            .sort(([a], [b]) => (a < b ? -1 : 1));
          const previous = before && { previousLines: before.lines, previousTotals: before.totals };
          const legs = legsOfDifference({ ...now, ...previous, commonsMember: commons });
          expect(legs.map((each) => [each.account, [each.amountMicro, BigInt(each.energyMwh)]])).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('lead to the balances that a table of bigints comes to, or to none', () => {
    const move = fc.tuple(amount, fc.integer({ min: -(2 ** 50), max: 2 ** 50 }));
    const start = fc.oneof(fc.constant(0n), fc.bigInt(-(2n ** 63n) + 1n, 2n ** 63n - 1n));
    fc.assert(
      fc.property(start, fc.array(move, { maxLength: 12 }), fc.boolean(), (held, moves, inNumbers) => {
        const rows = new WorkingSet();
        rows.loadWhole('balance', [['ann', { amountMicro: held as MicroCredits, energyMwh: 0 }]]);
        const balances = new Balances(rows);
        let [amountMicro, energyMwh] = [held, 0];
        for (const [micro, mwh] of moves) {
          const posting = postingOfLegs([leg('ann', micro, mwh)]);
          const isSmall =
            inNumbers && micro <= BigInt(Number.MAX_SAFE_INTEGER) && micro >= -BigInt(Number.MAX_SAFE_INTEGER);
          const asked = isSmall ? { ...posting, amountMicro: Float64Array.of(Number(micro)) } : posting;
          const next = amountMicro + micro;
          if ((next < 0n ? -next : next) > MAX_AMOUNT_MICRO || !Number.isSafeInteger(energyMwh + mwh)) {
            expect(() => balances.check(asked)).toThrow(expect.objectContaining({ code: 'money-range' }));
            continue;
          }
          balances.check(asked);
          balances.book(asked);
          amountMicro = next;
          energyMwh += mwh;
        }
        balances.put();
        expect(rows.get('balance', 'ann')).toEqual({ amountMicro, energyMwh });
      }),
      { numRuns: 1000 },
    );
  });
});

describe('balances', () => {
  it('begin at zero, take each leg once, and leave the given map alone', () => {
    const before = new Map([['ann', { amountMicro: 5n as MicroCredits, energyMwh: -5 }]]);
    const after = balancesAfter(before, [leg('ann', -7n, 7), leg('bob', 7n, -7)]);
    expect([...after]).toEqual([
      ['ann', { amountMicro: -2n, energyMwh: 2 }],
      ['bob', { amountMicro: 7n, energyMwh: -7 }],
    ]);
    expect(before.get('ann')).toEqual({ amountMicro: 5n, energyMwh: -5 });
  });

  it('name only the accounts that change', () => {
    const before = new Map([['ann', { amountMicro: 5n as MicroCredits, energyMwh: 0 }]]);
    expect([...balancesAfter(before, [leg('bob', 0n, 1)]).keys()]).toEqual(['bob']);
  });

  it('refuse to pass 63 bits of credits or 53 bits of energy, on either side', () => {
    const full = new Map([
      ['rich', { amountMicro: MAX_AMOUNT_MICRO as MicroCredits, energyMwh: Number.MAX_SAFE_INTEGER }],
      ['poor', { amountMicro: -MAX_AMOUNT_MICRO as MicroCredits, energyMwh: -Number.MAX_SAFE_INTEGER }],
    ]);
    const refusal = expect.objectContaining({ name: 'LedgerError', code: 'money-range' });
    expect(() => balancesAfter(full, [leg('rich', 1n, 0)])).toThrow(refusal);
    expect(() => balancesAfter(full, [leg('poor', -1n, 0)])).toThrow(refusal);
    expect(() => balancesAfter(full, [leg('rich', 0n, 1)])).toThrow(refusal);
    expect(() => balancesAfter(full, [leg('poor', 0n, -1)])).toThrow(refusal);
    expect(balancesAfter(full, [leg('rich', -1n, -1)]).get('rich')?.amountMicro).toBe(MAX_AMOUNT_MICRO - 1n);
  });
});
