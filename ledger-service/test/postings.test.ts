import type { MicroCredits } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Balances } from '../src/core/balances.js';
import type { Leg } from '../src/core/posting-codec.js';
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
