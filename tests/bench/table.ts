import { type Figure, formatNumber, isMet, type MeasureResult } from './figures.js';
import type { Machine } from './machine.js';

const HEADS = ['', 'figure', 'beside', 'ratio', 'aim', ''] as const;
const GAP = '  ';

/** The whole report for people. */
export function formatReport(results: readonly MeasureResult[], machine: Machine): string {
  const rows = results.map(({ figures }) => figures.map(rowOf));
  const widths = HEADS.map((head, column) => Math.max(head.length, ...rows.flat().map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => (column === 1 || column === 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(GAP)}`.trimEnd();
  const blocks = results.map(({ measure, about, remarks }, i) =>
    [`${measure}: ${about}`, ...rows[i]!.map(line), ...remarks.map((remark) => `  - ${remark}`)].join('\n'),
  );
  return [describeMachine(machine), line(HEADS), ...blocks, summary(results)].join('\n\n');
}

function rowOf(figure: Figure): readonly string[] {
  const { name, value, unit, limit, ratio, aim, note } = figure;
  const met = isMet(figure);
  const verdict = figure.unsteady === true ? 'UNSTEADY' : met === undefined ? '' : met ? 'met' : 'MISSED';
  return [
    name,
    `${formatNumber(value)} ${unit}`,
    limit === undefined ? '' : `${limit.name}: ${formatNumber(limit.value)} ${limit.unit}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    aim === undefined ? '' : `${aim.kind} ${aim.value}`,
    [verdict, note].filter(Boolean).join(', '),
  ];
}

function describeMachine({ cpu, cores, memoryGb, node, platform, loadBefore, loadAfter }: Machine): string {
  const load = `load average ${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} after`;
  return `${cores} cores of ${cpu}, ${memoryGb} GB, ${platform}, Node ${node}; ${load}`;
}

function summary(results: readonly MeasureResult[]): string {
  const judged = results.flatMap(({ figures }) => figures).filter((figure) => figure.aim !== undefined);
  const missed = judged.filter((figure) => isMet(figure) === false);
  const lines = missed.map(({ measure, name, ratio, value, unit, aim }) => {
    const got = ratio === undefined ? `${formatNumber(value)} ${unit}` : ratio.toFixed(2);
    return `  ${measure}, ${name}: ${got}, the aim is ${aim!.kind} ${aim!.value}`;
  });
  const open = judged.filter((figure) => isMet(figure) === undefined).length;
  const met = `${judged.length - missed.length - open} of ${judged.length} aims are met`;
  const unsteady = open === 0 ? '' : `, ${open} could not be judged on a machine that was not steady`;
  return missed.length === 0 ? `${met}${unsteady}.` : [`${met}${unsteady}. Missed:`, ...lines].join('\n');
}
