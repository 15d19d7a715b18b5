import { readFileSync } from 'node:fs';
import { formatKwh } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { statementRow } from '../src/core/statement.js';
import { legsOfDifference, type MeterEnergy, type MeterSettlement, settleMeters } from './support/meter-settlement.js';
import { nodeHasher } from './support/settlement-reference.js';

/** The worked example of docs/SETTLEMENT.md, read from the page and computed by the code. */
const page = readFileSync(new URL('../../docs/SETTLEMENT.md', import.meta.url), 'utf8');
const example = page.slice(page.indexOf('## 9.'), page.indexOf('## 10.'));

/** Tables of the example, each a list of rows: a name, then numbers written with commas. */
const tables = example
  .split(/\n\n/)
  .filter((block) => block.startsWith('|'))
  .map((block) =>
    block
      .trim()
      .split('\n')
      .slice(2)
      .map((row) => {
        const [name = '', ...cells] = row
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim());
        return [name, ...cells.map((cell) => Number(cell.replaceAll(',', '')))] as [string, ...number[]];
      }),
  );
const [meterTable = [], firstTable = [], secondTable = [], bookedTable = []] = tables;

const rules = { netting: 2, consumerRule: 1, producerRule: 1, priceMicroPerKwh: 120_000, levyBasisPoints: 33 } as const;

function settle(version: number, meters: readonly MeterEnergy[], previous?: MeterSettlement): MeterSettlement {
  const input = { community: 'sunny-street', startS: 1_717_236_000, rules, hasher: nodeHasher };
  return settleMeters({ ...input, version, meters, previousLines: previous?.lines });
}

const meters = meterTable.map(
  ([member, importMwh, exportMwh]): MeterEnergy => ({
    member,
    meter: `${member}-main`,
    importMwh,
    exportMwh,
    complete: true,
    quality: 0,
  }),
);
const withoutDora = meters.map(
  (meter): MeterEnergy =>
    meter.member === 'dora' ? { member: 'dora', meter: meter.meter, complete: false, quality: 4 } : meter,
);
const first = settle(1, withoutDora);
const second = settle(2, meters, first);

const rows = ({ lines }: MeterSettlement) =>
  lines.map((line) => [
    line.member,
    line.needMwh,
    line.offerMwh,
    line.receivedMwh,
    line.deliveredMwh,
    Number(line.amountMicro),
    line.quality,
  ]);

describe('the worked example of docs/SETTLEMENT.md', () => {
  it('has the meters, two versions and a booking', () => {
    expect(tables.map((table) => table.length)).toEqual([5, 5, 5, 5]);
  });

  it('is what the code computes for version 1', () => {
    expect(rows(first)).toEqual(firstTable);
    expect(first.totals).toMatchObject({ paidMicro: 138_000n, levyMicro: 455n });
    expect(first.complete).toBe(false);
    expect(example).toContain('Paid: 138,000. Levy: floor(455.4) = 455.');
  });

  it('is what the code computes for version 2', () => {
    expect(rows(second)).toEqual(secondTable);
    expect(second.totals).toMatchObject({ sharedMwh: 1_450_000, paidMicro: 174_000n, levyMicro: 574n });
    expect(second.complete).toBe(true);
  });

  it('is what the code books', () => {
    const difference = { previousLines: first.lines, previousTotals: first.totals, commonsMember: 'commons' };
    const legs = legsOfDifference({ lines: second.lines, totals: second.totals, ...difference });
    expect(legs.map(({ account, amountMicro, energyMwh }) => [account, Number(amountMicro), energyMwh])).toEqual(
      bookedTable,
    );
  });

  it('is what the code states for ben', () => {
    const lines = second.lines.filter(({ member }) => member === 'ben');
    const counters = { meter: 'ben-main', importMwh: 901_234, exportMwh: 0 };
    const row = statementRow({ startS: 1_717_236_000, version: 2, final: true, netting: 2, lines, meters: [counters] });
    const identity = `imported ${formatKwh(row.importMwh)} kWh = received ${formatKwh(row.receivedMwh)} + from the grid ${formatKwh(row.fromGridMwh)}`;
    expect(example).toContain(identity);
  });
});

it('every file that docs/SETTLEMENT.md names in the core exists', () => {
  const table = page.slice(page.indexOf('## 10.'));
  const files = [...table.matchAll(/`([a-z/-]+\.ts)`/g)].map(([, file]) => file!);
  expect(files.length).toBeGreaterThan(10);
  for (const file of files) expect(readFileSync(new URL(`../src/core/${file}`, import.meta.url), 'utf8')).not.toBe('');
});
