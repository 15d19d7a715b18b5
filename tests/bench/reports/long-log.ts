/** append and start need the same log of a million entries: it is grown once for both. */
import { join } from 'node:path';
import { formatNumber, type MeasureName, type MeasureResult } from '../figures.js';
import { type AppendRun, growLog, runAppend } from '../measures/append.js';
import { runStart, type StartRun } from '../measures/start.js';
import { withFolder } from '../support/temp-folder.js';
import type { BenchContext } from './bench-context.js';

const ENTRIES = 1_000_000;
const QUICK_ENTRIES = 100_000;
const STARTS = 3;
const AIM_RATIO = 1.2;

export function reportLongLog(
  { options, say }: BenchContext,
  wanted: readonly MeasureName[],
): Promise<MeasureResult[]> {
  const entries = options.quick ? QUICK_ENTRIES : ENTRIES;
  return withFolder('long-log', async (path) => {
    say(`append, start: growing a log of ${formatNumber(entries)} entries`);
    const large = await growLog(join(path, 'large'), entries);
    const results: MeasureResult[] = [];
    // Starting comes first: what is measured by appending makes the log longer.
    const started = wanted.includes('start') ? await runStart(large.folder, entries, STARTS) : undefined;
    if (wanted.includes('append')) results.push(appendResult(await runAppend(path, large, entries)));
    if (started !== undefined) results.push(startResult(started));
    return results;
  });
}

function appendResult(run: AppendRun): MeasureResult {
  const { small, large } = run;
  return {
    measure: 'append',
    about: `a leaf in commits of 256 through decision, session and SQLite store, with salt, opening and a signed checkpoint a commit`,
    figures: [
      {
        measure: 'append',
        name: `wall a leaf at ${formatNumber(large.leaves)} leaves, middle commit`,
        value: large.medianUsALeaf,
        unit: 'us',
        limit: { name: `at ${formatNumber(small.leaves)}`, value: small.medianUsALeaf, unit: 'us' },
        ratio: run.ratioOfMedians,
        aim: { kind: 'at most', value: AIM_RATIO },
        note: `mean ${formatNumber(large.meanUsALeaf)} against ${formatNumber(small.meanUsALeaf)} us`,
      },
      {
        measure: 'append',
        name: 'CPU a leaf',
        value: large.cpuUsALeaf,
        unit: 'us',
        limit: { name: `at ${formatNumber(small.leaves)}`, value: small.cpuUsALeaf, unit: 'us' },
        ratio: run.ratioOfCpu,
      },
      { measure: 'append', name: 'leaves while the log grew', value: run.grownPerS, unit: '/s' },
    ],
    remarks: [],
    raw: run,
  };
}

function startResult(run: StartRun): MeasureResult {
  return {
    measure: 'start',
    about: `commonwatt serve with ${formatNumber(run.entries)} entries and 500 homes, from its spawning to the first 200 of /health`,
    figures: [
      {
        measure: 'start',
        name: 'to the first healthy answer',
        value: run.medianMs,
        unit: 'ms',
        note: `of ${run.healthyMs.map(formatNumber).join(', ')}; ${formatNumber(run.residentMb)} MB resident at most`,
      },
    ],
    remarks: [],
    raw: run,
  };
}
