import { formatNumber, type MeasureResult } from '../figures.js';
import { runSettlement, type SettlementRun } from '../measures/settlement.js';
import { difference, mean, median } from '../support/statistics.js';
import { heldOrAll, refusals, steadyRuns } from '../support/steady-runs.js';
import { withFolder } from '../support/temp-folder.js';
import type { BenchContext } from './bench-context.js';

const HOMES = 300;
const DAYS = 90;
const QUICK_DAYS = 9;
const AIM_RATIO = 4;

/** Loading the readings takes longer than settling them, so one steady run counts here. */
const RUNS = 1;

export async function reportSettlement({ options, say }: BenchContext): Promise<MeasureResult> {
  const days = options.quick ? QUICK_DAYS : DAYS;
  const attempt = () => {
    say(`settlement: ${HOMES} homes, ${days} days; first their readings are taken in`);
    return withFolder('settlement', (path) => runSettlement(path, { homes: HOMES, days }));
  };
  const judged = await steadyRuns(RUNS, attempt, bareDifference, say);
  const { runs, steady } = heldOrAll(judged);
  const barePerS = mean(runs.map(bareRowsPerS));
  const perS = median(runs.map((run) => run.memberIntervalsPerS));
  const { memberIntervals, shareWithSharing, bytesBefore, bytesAfter } = runs[0]!;
  const bytes = (bytesAfter - bytesBefore) / memberIntervals;
  return {
    measure: 'settlement',
    about: `${HOMES} homes, ${days} days of quarter-hours, every reading in; ${(100 * shareWithSharing).toFixed(1)} % of the intervals share energy`,
    figures: [
      {
        measure: 'settlement',
        name: 'member-intervals settled and stored',
        value: perS,
        unit: '/s',
        limit: { name: 'bare inserts of as many rows', value: barePerS, unit: '/s' },
        ratio: median(runs.map((run) => run.memberIntervalsPerS / bareRowsPerS(run))),
        aim: { kind: 'at least', value: AIM_RATIO },
        note: `${formatNumber(bytes)} bytes each on the disk`,
        ...(!steady && { unsteady: true }),
      },
      {
        measure: 'settlement',
        name: 'CPU of a member-interval',
        value: median(runs.map((run) => (run.cpuSeconds * 1e6) / run.memberIntervals)),
        unit: 'us',
        limit: { name: 'CPU of a bare row', value: median(runs.map(bareCpuUsARow)), unit: 'us' },
      },
    ],
    remarks: refusals('settlement', judged),
    raw: judged,
  };
}

function bareRowsPerS({ bareBefore, bareAfter }: SettlementRun): number {
  return (bareBefore.rowsPerS + bareAfter.rowsPerS) / 2;
}

function bareCpuUsARow({ bareBefore, bareAfter }: SettlementRun): number {
  return ((bareBefore.cpuSeconds + bareAfter.cpuSeconds) * 1e6) / (bareBefore.rows + bareAfter.rows);
}

function bareDifference({ bareBefore, bareAfter }: SettlementRun): number {
  return difference(bareBefore.rowsPerS, bareAfter.rowsPerS);
}
