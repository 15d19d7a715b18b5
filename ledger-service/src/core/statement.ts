/**
 * A member's statement: what the counters said and what the settlement made of it, per interval and summed.
 * Four identities hold in every row and in every sum (SETTLEMENT 8):
 *
 *   need   = received  + from grid            import = need  + netted + outside import
 *   offer  = delivered + to grid              export = offer + netted + outside export
 */
import { LedgerError } from './errors.js';
import type { Quality, RuleSettings, SettlementLine } from './records/index.js';
import { MISSING, tookPart } from './sharing/units.js';

/** What one counter moved in an interval, mWh >= 0; `unknown` without both edges, undefined where there is no such counter. */
export type CounterEnergy = number | 'unknown' | undefined;

/** The counters of one meter of the member. */
export interface MeterCounters {
  readonly meter: string;
  readonly importMwh?: CounterEnergy;
  readonly exportMwh?: CounterEnergy;
  readonly generationMwh?: CounterEnergy;
  readonly chargeMwh?: CounterEnergy;
  readonly dischargeMwh?: CounterEnergy;
}

/** What is known of one member in one settled interval, from the newest version that is asked for. */
export interface StatementInput {
  /** UTC seconds */
  readonly startS: number;
  readonly version: number;
  readonly final: boolean;
  /** Of the rules that the interval was settled under. */
  readonly netting: RuleSettings['netting'];
  /** The member's lines of that version. */
  readonly lines: readonly SettlementLine[];
  /** The member's meters, each once, those that only generate or store included. */
  readonly meters: readonly MeterCounters[];
  /** The interval's levy, for the commons member only. */
  readonly levyMicro?: bigint | undefined;
}

/** Energies that add up over intervals and over units, mWh, and credits. */
export interface StatementFigures {
  /** Through the connection point, as far as known. */
  readonly importMwh: number;
  readonly exportMwh: number;
  /** What entered the sharing. */
  readonly needMwh: number;
  readonly offerMwh: number;
  /** From and to neighbours. */
  readonly receivedMwh: number;
  readonly deliveredMwh: number;
  /** What was needed and not received, offered and not taken. */
  readonly fromGridMwh: number;
  readonly toGridMwh: number;
  /** Import and export of one interval that cancelled out before the sharing. */
  readonly nettedMwh: number;
  /** Known, but outside the sharing, so from and to the grid: the unit was left out, or only a part of it takes part. */
  readonly outsideImportMwh: number;
  readonly outsideExportMwh: number;
  /** Own production; undefined where not known. */
  readonly generationMwh: number | undefined;
  /** Own production, or battery, that the home itself used; undefined where not known or where counters disagree. */
  readonly usedAtHomeMwh: number | undefined;
  /** Plus: owed to the member. With the levy, for the commons member. */
  readonly amountMicro: bigint;
}

export interface StatementRow extends StatementFigures {
  readonly startS: number;
  readonly version: number;
  readonly final: boolean;
  /** The worst of the member's lines; 4 without any. */
  readonly quality: Quality;
  /** The counters cannot all be right, or are not those that were settled. */
  readonly countersDisagree: boolean;
}

export interface StatementSum extends StatementFigures {
  readonly intervals: number;
  /** Intervals that may still change. */
  readonly provisional: number;
  /** Intervals by quality, 0 to 5. */
  readonly qualities: readonly number[];
  readonly countersDisagree: number;
  /** Intervals whose generation, and whose use at home, is in the sums. */
  readonly generationKnown: number;
  readonly usedAtHomeKnown: number;
}

export interface Statement {
  readonly rows: readonly StatementRow[];
  readonly sum: StatementSum;
}

/** Assembles a statement; rows keep the order of the inputs. Throws LedgerError `invariant` where a sum passes 2^53 mWh. */
export function assembleStatement(inputs: readonly StatementInput[]): Statement {
  const rows = inputs.map(statementRow);
  return { rows, sum: sumRows(rows) };
}

/** The figures of one interval. */
export function statementRow(input: StatementInput): StatementRow {
  const lines = input.lines.filter((line) => (line.meter === '') === (input.netting === 2));
  const figures = [...lines.map((line) => lineFigures(line, input)), outsideFigures(lines, input)].reduce(addFigures);
  const home = useAtHome(input.meters, figures);
  const outsideIsNegative = figures.outsideImportMwh < 0 || figures.outsideExportMwh < 0;
  return {
    startS: input.startS,
    version: input.version,
    final: input.final,
    quality: worstQuality(lines),
    ...figures,
    generationMwh: total(input.meters, 'generationMwh'),
    usedAtHomeMwh: home.usedMwh,
    amountMicro: figures.amountMicro + (input.levyMicro ?? 0n),
    countersDisagree: home.disagree || outsideIsNegative,
  };
}

/** Sums rows, of a whole statement or of one day. */
export function sumRows(rows: readonly StatementRow[]): StatementSum {
  const qualities = [0, 0, 0, 0, 0, 0];
  for (const { quality } of rows) qualities[quality]! += 1;
  return {
    ...rows.reduce<StatementFigures>(addFigures, NOTHING),
    intervals: rows.length,
    provisional: count(rows, (row) => !row.final),
    qualities,
    countersDisagree: count(rows, (row) => row.countersDisagree),
    generationKnown: count(rows, (row) => row.generationMwh !== undefined),
    usedAtHomeKnown: count(rows, (row) => row.usedAtHomeMwh !== undefined),
  };
}

const NOTHING: StatementFigures = {
  importMwh: 0,
  exportMwh: 0,
  needMwh: 0,
  offerMwh: 0,
  receivedMwh: 0,
  deliveredMwh: 0,
  fromGridMwh: 0,
  toGridMwh: 0,
  nettedMwh: 0,
  outsideImportMwh: 0,
  outsideExportMwh: 0,
  generationMwh: undefined,
  usedAtHomeMwh: undefined,
  amountMicro: 0n,
};

/** A line with the counters of its unit. A line of a unit that netting no longer makes has none, and only zeros. */
function lineFigures(line: SettlementLine, { meters, netting }: StatementInput): StatementFigures {
  const own = netting === 2 ? meters : meters.filter(({ meter }) => meter === line.meter);
  const importMwh = known(own, 'importMwh');
  const exportMwh = known(own, 'exportMwh');
  const nettedMwh = netting !== 0 && tookPart(line) ? Math.min(importMwh, exportMwh) : 0;
  return {
    ...NOTHING,
    importMwh,
    exportMwh,
    needMwh: line.needMwh,
    offerMwh: line.offerMwh,
    receivedMwh: line.receivedMwh,
    deliveredMwh: line.deliveredMwh,
    fromGridMwh: line.needMwh - line.receivedMwh,
    toGridMwh: line.offerMwh - line.deliveredMwh,
    nettedMwh,
    outsideImportMwh: importMwh - line.needMwh - nettedMwh,
    outsideExportMwh: exportMwh - line.offerMwh - nettedMwh,
    amountMicro: line.amountMicro,
  };
}

/** Meters without a line: enrolled later, or revoked. What they counted is outside the sharing. */
function outsideFigures(lines: readonly SettlementLine[], { meters, netting }: StatementInput): StatementFigures {
  const isAllSettled = netting === 2 && lines.length > 0;
  const others = isAllSettled ? [] : meters.filter(({ meter }) => !lines.some((line) => line.meter === meter));
  const importMwh = known(others, 'importMwh');
  const exportMwh = known(others, 'exportMwh');
  return { ...NOTHING, importMwh, exportMwh, outsideImportMwh: importMwh, outsideExportMwh: exportMwh };
}

const COUNTERS = ['importMwh', 'exportMwh', 'generationMwh', 'chargeMwh', 'dischargeMwh'] as const;
type Counter = (typeof COUNTERS)[number];

/** Sum of what is known of one counter over meters. */
function known(meters: readonly MeterCounters[], counter: Counter): number {
  return meters.reduce((sum, meter) => add(sum, typeof meter[counter] === 'number' ? meter[counter] : 0), 0);
}

/** The sum of one counter over all meters that have it; undefined where none has it or one is unknown. */
function total(meters: readonly MeterCounters[], counter: Counter): number | undefined {
  const values = meters.map((meter) => meter[counter]).filter((value) => value !== undefined);
  if (values.length === 0 || values.includes('unknown')) return undefined;
  return known(meters, counter);
}

/**
 * What the home used of its own: generation + discharge - export - charge, over all its meters. That is negative where the
 * battery charged from the grid, and then nothing of its own was used; it cannot be more negative than the grid and the
 * battery account for, so otherwise the counters disagree and nothing is claimed.
 */
function useAtHome(
  meters: readonly MeterCounters[],
  { importMwh }: StatementFigures,
): { usedMwh: number | undefined; disagree: boolean } {
  const generationMwh = total(meters, 'generationMwh');
  const isUnknown = meters.some((meter) => COUNTERS.some((counter) => meter[counter] === 'unknown'));
  if (generationMwh === undefined || isUnknown) return { usedMwh: undefined, disagree: false };
  const chargeMwh = known(meters, 'chargeMwh');
  const usedMwh = generationMwh + known(meters, 'dischargeMwh') - known(meters, 'exportMwh') - chargeMwh;
  if (usedMwh >= 0) return { usedMwh, disagree: false };
  const isCharging = -usedMwh <= Math.min(chargeMwh, importMwh);
  return isCharging ? { usedMwh: 0, disagree: false } : { usedMwh: undefined, disagree: true };
}

function addFigures(a: StatementFigures, b: StatementFigures): StatementFigures {
  return {
    importMwh: add(a.importMwh, b.importMwh),
    exportMwh: add(a.exportMwh, b.exportMwh),
    needMwh: add(a.needMwh, b.needMwh),
    offerMwh: add(a.offerMwh, b.offerMwh),
    receivedMwh: add(a.receivedMwh, b.receivedMwh),
    deliveredMwh: add(a.deliveredMwh, b.deliveredMwh),
    fromGridMwh: add(a.fromGridMwh, b.fromGridMwh),
    toGridMwh: add(a.toGridMwh, b.toGridMwh),
    nettedMwh: add(a.nettedMwh, b.nettedMwh),
    outsideImportMwh: add(a.outsideImportMwh, b.outsideImportMwh),
    outsideExportMwh: add(a.outsideExportMwh, b.outsideExportMwh),
    generationMwh: addKnown(a.generationMwh, b.generationMwh),
    usedAtHomeMwh: addKnown(a.usedAtHomeMwh, b.usedAtHomeMwh),
    amountMicro: a.amountMicro + b.amountMicro,
  };
}

/** A sum over intervals takes what is known; how many are known stands beside it. */
function addKnown(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : add(a, b);
}

function add(a: number, b: number): number {
  const sum = a + b;
  if (!Number.isSafeInteger(sum))
    throw new LedgerError('invariant', `statement: expected sums below 2^53 mWh, got ${sum}`);
  return sum;
}

function worstQuality(lines: readonly SettlementLine[]): Quality {
  if (lines.length === 0) return MISSING;
  return Math.max(...lines.map(({ quality }) => quality)) as Quality;
}

function count(rows: readonly StatementRow[], holds: (row: StatementRow) => boolean): number {
  return rows.filter(holds).length;
}
