/** Measured streets, whole, through every part of the house: what they shared is known to the last Wh. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../e2e/support/program.js';
import { commonwatt } from '../command.js';
import { expectThat } from '../expect-that.js';

const FOLDER = new URL('../shared/data/', ROOT);
const STREETS = [
  ['cossmic-konstanz_60min_2016-05-01_2016-09-30.csv.gz', '60m', '1966.071000'],
  ['vub-testhouses_15min_2024-01-01_2024-03-31.registers.csv.gz', '15m', '235.510000'],
] as const;

/** A sentence for each street. */
export async function replayRecordedStreets(): Promise<readonly string[]> {
  return Promise.all(
    STREETS.map(async ([name, interval, expected]) => {
      const file = fileURLToPath(new URL(name, FOLDER));
      if (!existsSync(file)) return `${name}: left out, the file is not here`;
      const args = ['replay', file, '--interval', interval, '--netting', 'member', '--json'];
      const { shared_kwh: shared, sums } = await commonwatt(args);
      const { credits, energy_kwh: energy } = sums as { credits: string; energy_kwh: string };
      expectThat(shared === expected, `${name}: shared ${shared} kWh, expected ${expected}`);
      expectThat(credits === '0.000000' && energy === '0.000000', `${name}: sums are ${credits} and ${energy} kWh`);
      return `${name}: ${shared} kWh shared, as expected`;
    }),
  );
}
