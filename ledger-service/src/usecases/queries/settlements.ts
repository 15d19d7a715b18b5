/** Settlements of one interval: every version, its lines, and its totals for whom they are open. */
import { LedgerError } from '../../core/errors.js';
import type { SettlementLine, SettlementTotals } from '../../core/records/index.js';
import { parseTotalsContent, parseVectorContent } from '../../core/records/index.js';
import { type SettlementRow, settlementKey, startKey } from '../../core/rows.js';
import type { CommunityReader } from './reader.js';
import { versionsWithOpenTotals } from './totals-opening.js';

/** Versions of one interval that are read. The ledger makes one a late frame; a few are usual. */
export const MAX_VERSIONS = 500;

/** What the log says in clear: no figure. */
export interface SettlementShell {
  readonly startS: number;
  readonly version: number;
  readonly index: number;
  readonly reason: number;
  readonly rulesIndex: number;
  readonly previousIndex?: number;
  readonly isFinal: boolean;
}

export interface SettlementView extends SettlementShell {
  /** Absent for who may not see them, and where they were erased. */
  readonly lines?: readonly SettlementLine[];
  readonly totals?: SettlementTotals;
}

export interface SettlementQuestion {
  readonly startS: number;
  /** Whether the asker may see members' lines: the totals are then not held back either. */
  readonly withLines: boolean;
}

/** Every version of the interval, oldest first; none before it was settled. Throws 'bad-request' off the grid. */
export async function settlementShells(reader: CommunityReader, startS: number): Promise<SettlementShell[]> {
  await checkStart(reader, startS);
  const rows = await reader.scan('settlement', {
    from: `${startKey(startS)}/`,
    to: `${startKey(startS)}0`,
    limit: MAX_VERSIONS,
  });
  return rows.map(([key, row]) => toShell(startS, Number(key.split('/')[1]), row));
}

/** Throws 'not-found' for a version that there is not. */
export async function settlementVersion(
  reader: CommunityReader,
  question: SettlementQuestion & { readonly version: number },
): Promise<SettlementView> {
  const { startS, version, withLines } = question;
  await checkStart(reader, startS);
  const row = await reader.row('settlement', settlementKey(startS, version));
  if (row === undefined) throw new LedgerError('not-found', `no version ${version} of the settlement of ${startS}`);
  const shell = toShell(startS, version, row);
  if (withLines) return { ...shell, ...(await linesOf(reader, shell)), ...(await totalsOf(reader, shell)) };
  return (await isOpenToAll(reader, shell)) ? { ...shell, ...(await totalsOf(reader, shell)) } : shell;
}

/** The newest version. Throws 'not-found' before the interval was settled. */
export async function newestSettlement(
  reader: CommunityReader,
  question: SettlementQuestion,
): Promise<{ readonly newest: SettlementView; readonly versions: readonly SettlementShell[] }> {
  const versions = await settlementShells(reader, question.startS);
  const last = versions[versions.length - 1];
  if (last === undefined) throw new LedgerError('not-found', `the interval of ${question.startS} was not settled yet`);
  return { newest: await settlementVersion(reader, { ...question, version: last.version }), versions };
}

async function checkStart(reader: CommunityReader, startS: number): Promise<void> {
  const { intervalS } = (await reader.communityRow()).genesis;
  if (startS % intervalS !== 0) {
    throw new LedgerError('bad-request', `start: expected that of an interval of ${intervalS} s, got ${startS}`);
  }
}

async function linesOf(reader: CommunityReader, { index }: SettlementShell) {
  const [content] = await reader.openings([{ index, part: 0 }]);
  return content === undefined ? {} : { lines: parseVectorContent(content).lines };
}

async function totalsOf(reader: CommunityReader, { index }: SettlementShell) {
  const [content] = await reader.openings([{ index, part: 1 }]);
  return content === undefined ? {} : { totals: parseTotalsContent(content).totals };
}

/** Where a version's lines were erased, nobody can tell any more how far it was from the others: it stays closed. */
async function isOpenToAll(reader: CommunityReader, shell: SettlementShell): Promise<boolean> {
  const { genesis } = await reader.communityRow();
  const versions = await settlementShells(reader, shell.startS);
  const upTo = versions.filter(({ version }) => version <= shell.version);
  if (upTo[upTo.length - 1]?.version !== shell.version) return false;
  const contents = await reader.openings(upTo.map(({ index }) => ({ index, part: 0 })));
  const vectors: (readonly SettlementLine[])[] = [];
  for (const content of contents) {
    if (content === undefined) return false;
    vectors.push(parseVectorContent(content).lines);
  }
  return versionsWithOpenTotals(vectors, genesis.settings.kAnonymity)[vectors.length - 1] === true;
}

function toShell(startS: number, version: number, row: SettlementRow): SettlementShell {
  return {
    startS,
    version,
    index: row.index,
    reason: row.reason,
    rulesIndex: row.rulesIndex,
    ...(row.previousIndex === undefined ? {} : { previousIndex: row.previousIndex }),
    isFinal: row.final,
  };
}
