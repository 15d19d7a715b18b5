/** A member's statement for a period, out of the newest version of each settled interval. */
import { Quantity } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { ChannelEdges } from '../../core/intervals/channel-edges.js';
import type { IntervalSettings } from '../../core/intervals/edges.js';
import type { RuleSettings } from '../../core/records/index.js';
import { parseTotalsContent, parseVectorContent } from '../../core/records/index.js';
import { indexKey, type MeterRow, startKey } from '../../core/rows.js';
import { intervalSettings } from '../../core/settings.js';
import {
  assembleStatement,
  type CounterEnergy,
  type MeterCounters,
  type Statement,
  type StatementInput,
  type StatementSum,
  sumRows,
} from '../../core/statement.js';
import { localDays } from '../../core/statement-days.js';
import type { Rows } from '../../core/working-set.js';
import { type CommunityReader, type Keyed, keyAfter } from './reader.js';
import { findMember } from './registry.js';
import { LoadedRows } from './rows-loader.js';
import { newestVersion } from './settlements.js';

/** Intervals of one statement: a year of hours, a hundred days of quarter-hours, a month of five minutes. */
export const MAX_STATEMENT_INTERVALS = 9000;
const INTERVALS_A_READ = 200;

export interface StatementPeriod {
  /** UTC seconds, half open: intervals that start in `[fromS, toS)`. */
  readonly fromS: number;
  readonly toS: number;
}

export interface StatementDay {
  /** `YYYY-MM-DD` in the community's time zone. */
  readonly day: string;
  readonly startS: number;
  readonly endS: number;
  readonly sum: StatementSum;
}

export interface StatementView extends Statement, StatementPeriod {
  readonly member: string;
  readonly intervalS: number;
  readonly timeZone: string;
  /** Local days that have at least one settled interval. */
  readonly days: readonly StatementDay[];
}

/** Throws 'not-found' for a member that there is not, 'bad-request' for a period that is turned round or too long. */
export async function statementOf(
  reader: CommunityReader,
  member: string,
  period: StatementPeriod,
): Promise<StatementView> {
  await findMember(reader, member);
  const community = await reader.communityRow();
  const { intervalS, timeZone, settings } = community.genesis;
  checkPeriod(period, intervalS);
  const source: Source = {
    reader,
    member,
    isCommons: member === settings.commonsMember,
    meters: (await reader.all('meter')).filter(([, meter]) => meter.member === member),
    netting: new Map((await reader.all('rules')).map(([, rules]) => [rules.index, rules.settings.netting])),
    rows: await LoadedRows.of(reader, ['channel']),
    settings: intervalSettings(community),
  };
  const statement = assembleStatement(await collect(source, period));
  return { member, intervalS, timeZone, ...period, ...statement, days: daysOf(statement, period, timeZone) };
}

interface Source {
  readonly reader: CommunityReader;
  readonly member: string;
  readonly isCommons: boolean;
  readonly meters: readonly Keyed<MeterRow>[];
  readonly netting: ReadonlyMap<number, RuleSettings['netting']>;
  readonly rows: LoadedRows;
  readonly settings: IntervalSettings;
}

function checkPeriod({ fromS, toS }: StatementPeriod, intervalS: number): void {
  if (fromS > toS) throw new LedgerError('bad-request', `period: expected from before to, got ${fromS} and ${toS}`);
  const count = Math.ceil((toS - fromS) / intervalS);
  if (count > MAX_STATEMENT_INTERVALS) {
    const expected = `expected at most ${MAX_STATEMENT_INTERVALS} intervals of ${intervalS} s`;
    throw new LedgerError('bad-request', `period: ${expected}, got ${count}; ask for its parts`);
  }
}

async function collect(source: Source, { fromS, toS }: StatementPeriod): Promise<StatementInput[]> {
  const inputs: StatementInput[] = [];
  let from = startKey(fromS);
  for (;;) {
    const part = await source.reader.scan('interval', { from, to: startKey(toS), limit: INTERVALS_A_READ });
    for (const [key, row] of part) {
      if (row.version === 0) continue;
      const input = await inputOf(source, Number(key));
      if (input !== undefined) inputs.push(input);
    }
    const last = part[part.length - 1];
    if (last === undefined || part.length < INTERVALS_A_READ) return inputs;
    from = keyAfter(last[0]);
    await source.reader.pause();
  }
}

/** Undefined where the member has no line in the newest version, or the lines were erased. */
async function inputOf(source: Source, startS: number): Promise<StatementInput | undefined> {
  const newest = await newestVersion(source.reader, startS);
  if (newest === undefined) return undefined;
  const [vector, totals] = await source.reader.openings([
    { index: newest.index, part: 0 },
    { index: newest.index, part: 1 },
  ]);
  if (vector === undefined) return undefined;
  const lines = parseVectorContent(vector).lines.filter((line) => line.member === source.member);
  const levyMicro = source.isCommons && totals !== undefined ? parseTotalsContent(totals).totals.levyMicro : undefined;
  if (lines.length === 0 && levyMicro === undefined) return undefined;
  return {
    startS,
    version: newest.version,
    final: newest.isFinal,
    netting: await nettingOf(source, newest.rulesIndex),
    lines,
    meters: await source.rows.run((rows) => source.meters.map((meter) => countersOf(rows, meter, source, startS))),
    levyMicro,
  };
}

async function nettingOf({ netting, reader }: Source, rulesIndex: number): Promise<RuleSettings['netting']> {
  const known = netting.get(rulesIndex);
  if (known !== undefined) return known;
  const row = await reader.row('rules', indexKey(rulesIndex));
  if (row === undefined) throw new LedgerError('invariant', `no rules ${rulesIndex}: rebuild the projections`);
  return row.settings.netting;
}

function countersOf(rows: Rows, [meter, { channels }]: Keyed<MeterRow>, source: Source, startS: number): MeterCounters {
  const energyOf = (quantity: number): CounterEnergy => {
    if (!channels.some((channel) => channel.quantity === quantity)) return undefined;
    const energy = new ChannelEdges(rows, { meter, quantity }, source.settings).energy(startS);
    return typeof energy === 'object' ? energy.energyMwh : 'unknown';
  };
  return {
    meter,
    importMwh: energyOf(Quantity.gridImport),
    exportMwh: energyOf(Quantity.gridExport),
    generationMwh: energyOf(Quantity.generation),
    chargeMwh: energyOf(Quantity.storageCharge),
    dischargeMwh: energyOf(Quantity.storageDischarge),
  };
}

function daysOf({ rows }: Statement, { fromS, toS }: StatementPeriod, timeZone: string): StatementDay[] {
  const days: StatementDay[] = [];
  let at = 0;
  for (const { day, startS, endS } of localDays({ fromS, toS, timeZone })) {
    const first = at;
    while (at < rows.length && rows[at]!.startS < endS) at++;
    if (at > first) days.push({ day, startS, endS, sum: sumRows(rows.slice(first, at)) });
  }
  return days;
}
