import { join } from 'node:path';
import { type Figure, formatNumber, type MeasureResult } from '../figures.js';
import { type EndToEndPlan, type EndToEndRun, runEndToEnd } from '../measures/end-to-end.js';
import { PARTS, type Part, type PartTimes, readParts } from '../support/cpu-profile.js';
import { hasMosquitto } from '../support/mosquitto.js';
import { mean, median } from '../support/statistics.js';
import { heldOrAll, type Judged, refusals, steadyRuns } from '../support/steady-runs.js';
import { withFolder } from '../support/temp-folder.js';
import type { BenchContext } from './bench-context.js';

const HOMES = 500;
const AIM_CPU_RATIO = 0.45;
const AIM_WALL_RATIO = 0.8;
const AIM_P99_MS = 60;
const HALF = 0.5;

type Runs = readonly Judged<EndToEndRun>[];

export async function reportEndToEnd({ options, say }: BenchContext): Promise<MeasureResult> {
  const { quick, runs } = options;
  const flow = { homes: HOMES, ...(quick ? { framesAHome: 16, skip: 2_000 } : { framesAHome: 72, skip: 8_000 }) };
  const steady = { share: HALF, ...(quick ? { seconds: 5, framesAHome: 20 } : { seconds: 15, framesAHome: 60 }) };
  const repeat = (wanted: number, plan: EndToEndPlan): Promise<Runs> =>
    steadyRuns(
      wanted,
      () => runOnce(plan, say),
      ({ bareDifference }) => bareDifference,
      say,
    );
  const embedded = await repeat(runs, { ...flow, broker: 'embedded', steady });
  const parts = await profile({ ...flow, framesAHome: quick ? 12 : 36, skip: 2_000, broker: 'embedded' }, say);
  const unsettled = await repeat(1, { ...flow, broker: 'embedded', withoutRules: true });
  const outside = hasMosquitto ? await repeat(1, { ...flow, broker: 'mosquitto' }) : [];
  return {
    measure: 'endToEnd',
    about: describe(embedded),
    figures: [
      ...judgedFigures(embedded),
      ...partFigures(embedded, parts),
      ...rateFigures(unsettled, 'embedded broker, without rules in force'),
      ...rateFigures(outside, 'mosquitto'),
      ...brokerFigures(outside),
    ],
    remarks: [
      ...refusals('embedded broker', embedded),
      ...refusals('without rules in force', unsettled),
      ...refusals('mosquitto', outside),
      ...(hasMosquitto ? [] : ['mosquitto: SKIPPED: it is not installed (the Debian package mosquitto)']),
    ],
    raw: { embedded, withoutRules: unsettled, mosquitto: outside, cpuUsByPart: parts },
  };
}

function runOnce(plan: EndToEndPlan, say: BenchContext['say']): Promise<EndToEndRun> {
  const frames = plan.homes * plan.framesAHome;
  const what = plan.withoutRules === true ? 'without rules in force' : 'with rules in force';
  say(`endToEnd: ${frames} frames, ${plan.broker === 'embedded' ? 'embedded broker' : 'mosquitto'}, ${what}`);
  return withFolder('end-to-end', (path) => runEndToEnd(path, plan));
}

/** CPU microseconds a frame by part: the profile's shares of what the profiled run itself used. */
async function profile(plan: EndToEndPlan, say: BenchContext['say']): Promise<PartTimes> {
  say('endToEnd: once more with a CPU profile, the service on one core');
  return withFolder('profile', async (path) => {
    const profileFolder = join(path, 'profiles');
    const { flow, serviceCpuUs } = await runEndToEnd(path, { ...plan, profileFolder });
    const times = readParts(profileFolder, flow.fromUs, flow.untilUs);
    const sum = PARTS.reduce((total, part) => total + times[part], 0);
    const scaled = PARTS.map((part): [Part, number] => [part, (times[part] / sum) * serviceCpuUs]);
    return Object.fromEntries(scaled) as Record<Part, number>;
  });
}

function describe(runs: Runs): string {
  const { run } = runs[0]!;
  const checked = runs.reduce((sum, one) => sum + one.run.check.receipts, 0);
  return `${run.homes} gateways on connections of their own, 12 readings of 3 counters in ${run.frameBytes.toFixed(0)} bytes; ${formatNumber(checked)} receipts, every proof checked`;
}

/** Rates of the middle run, beside the bare verify rate of all. */
function rateFigures(judged: Runs, broker: string): Figure[] {
  if (judged.length === 0) return [];
  const { runs, steady } = heldOrAll(judged);
  const limit = (name: string, value: number) => ({ name, value, unit: '/s' });
  const common = { measure: 'endToEnd', unit: '/s', ...(!steady && { unsteady: true }) } as const;
  const middle = (of: (run: EndToEndRun) => number): number => median(runs.map(of));
  return [
    {
      ...common,
      name: `frames a CPU second of the service, ${broker}`,
      value: middle((run) => 1e6 / run.serviceCpuUs),
      limit: limit('bare verify, a CPU second', mean(runs.map(({ bare }) => bare.perCpuS))),
      ratio: middle((run) => run.cpuRatio),
    },
    {
      ...common,
      name: `frames a second to their receipts, ${broker}`,
      value: middle((run) => run.flow.framesPerS),
      limit: limit('bare verify, one core', mean(runs.map(({ bare }) => bare.perS))),
      ratio: middle((run) => run.wallRatio),
      note: 'all cores, the generator on them too',
    },
  ];
}

function judgedFigures(judged: Runs): Figure[] {
  const [cpu, wall] = rateFigures(judged, 'embedded broker');
  const { runs, steady } = heldOrAll(judged);
  const latencies = runs.flatMap((run) => (run.steady === undefined ? [] : [run.steady]));
  return [
    { ...cpu!, aim: { kind: 'at least', value: AIM_CPU_RATIO } },
    { ...wall!, aim: { kind: 'at least', value: AIM_WALL_RATIO } },
    {
      measure: 'endToEnd',
      name: 'p99 to the receipt at half of that, open loop',
      value: median(latencies.map(({ p99Ms }) => p99Ms)),
      unit: 'ms',
      aim: { kind: 'at most', value: AIM_P99_MS },
      note: `p50 ${formatNumber(median(latencies.map(({ p50Ms }) => p50Ms)))}, worst ${formatNumber(Math.max(...latencies.map(({ maxMs }) => maxMs)))} ms at ${formatNumber(median(latencies.map(({ offeredPerS }) => offeredPerS)))}/s`,
      ...(!steady && { unsteady: true }),
    },
  ];
}

function partFigures(judged: Runs, parts: PartTimes): Figure[] {
  const { runs } = heldOrAll(judged);
  const whole: Figure = {
    measure: 'endToEnd',
    name: 'CPU of the service, a frame',
    value: median(runs.map((run) => run.serviceCpuUs)),
    unit: 'us',
    limit: { name: 'one bare verify', value: mean(runs.map(({ bare }) => 1e6 / bare.perCpuS)), unit: 'us' },
    note: `generator ${formatNumber(median(runs.map((run) => run.generatorCpuUs)))} us`,
  };
  const sum = PARTS.reduce((total, part) => total + parts[part], 0);
  const shares = PARTS.map((part): Figure => {
    const share = `${((100 * parts[part]) / sum).toFixed(1)} %`;
    return { measure: 'endToEnd', name: `  of it ${part}`, value: parts[part], unit: 'us', note: share };
  });
  const disk: Figure = {
    measure: 'endToEnd',
    name: 'disk, a frame',
    value: median(runs.map((run) => run.diskBytesAFrame)),
    unit: 'bytes',
    limit: { name: 'the frame itself', value: median(runs.map((run) => run.frameBytes)), unit: 'bytes' },
    ratio: median(runs.map((run) => run.diskBytesAFrame / run.frameBytes)),
    note: 'settlements included',
  };
  return [whole, ...shares, disk];
}

function brokerFigures(judged: Runs): Figure[] {
  if (judged.length === 0) return [];
  const { runs } = heldOrAll(judged);
  const middle = (of: (run: EndToEndRun) => number): number => median(runs.map(of));
  return [
    {
      measure: 'endToEnd',
      name: 'CPU of the service, a frame, mosquitto',
      value: middle((run) => run.serviceCpuUs),
      unit: 'us',
      note: `${formatNumber(middle((run) => run.brokerCpuUs ?? 0))} us more in the broker`,
    },
  ];
}
