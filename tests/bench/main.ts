/** `npm run bench`: measures one after the other, prints the table, and writes every count to a file. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { MeasureName, MeasureResult } from './figures.js';
import { commitOfTree, describeMachine, loadNow } from './machine.js';
import { type BenchOptions, parseOptions, USAGE } from './options.js';
import type { BenchContext } from './reports/bench-context.js';
import { reportEndToEnd } from './reports/end-to-end.js';
import { reportGateway } from './reports/gateway.js';
import { reportLongLog } from './reports/long-log.js';
import { reportRebuild } from './reports/rebuild.js';
import { reportSettlement } from './reports/settlement.js';
import { endInOrder } from './support/clean-up.js';
import { formatReport } from './table.js';

/** The order in which they run. */
type Step = readonly [readonly MeasureName[], (context: BenchContext) => Promise<readonly MeasureResult[]>];

const EXIT_USAGE = 2;

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

async function measureAll(options: BenchOptions): Promise<readonly MeasureResult[]> {
  const wanted = (names: readonly MeasureName[]): boolean => names.some((name) => options.only.includes(name));
  const one = (report: (context: BenchContext) => Promise<MeasureResult>) => async (context: BenchContext) => [
    await report(context),
  ];
  const steps: readonly Step[] = [
    [['endToEnd'], one(reportEndToEnd)],
    [['settlement'], one(reportSettlement)],
    [['append', 'start'], (context) => reportLongLog(context, options.only)],
    [['rebuild'], one(reportRebuild)],
    [['gateway'], one(reportGateway)],
  ];
  const results: MeasureResult[] = [];
  for (const [names, report] of steps) if (wanted(names)) results.push(...(await report({ options, say })));
  return results;
}

async function bench(options: BenchOptions, args: readonly string[]): Promise<void> {
  const startedAt = new Date().toISOString();
  const loadBefore = loadNow();
  const results = await measureAll(options);
  const machine = describeMachine(loadBefore);
  process.stdout.write(`\n${formatReport(results, machine)}\n`);
  const file = resolve(options.out);
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const commit = commitOfTree();
  const record = {
    version: 1,
    command,
    startedAt,
    finishedAt: new Date().toISOString(),
    ...(commit && { commit }),
    machine,
  };
  writeFileSync(file, `${JSON.stringify({ ...record, results }, null, 2)}\n`);
  say(`\nevery count: ${file}`);
}

endInOrder();
const args = process.argv.slice(2);
const parsed = parseOptions(args);
if ('usage' in parsed) process.stdout.write(`${parsed.usage}\n`);
else if ('wrong' in parsed) {
  say(`bench: ${parsed.wrong}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
} else await bench(parsed.options, args);
