/** Settlements of one interval: every version, its lines, and its totals for whom they are open. */
import { compareUtf8 } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import type { SettlementLine, SettlementTotals } from '../../core/records/index.js';
import { parseTotalsContent, parseVectorContent } from '../../core/records/index.js';
import { type SettlementRow, settlementKey, startKey } from '../../core/rows.js';
import type { ScanRange } from '../ports.js';
import { DEFAULT_PAGE_ITEMS, type Page, pageOf, pageOfRead } from './paging.js';
import { type CommunityReader, keyAfter } from './reader.js';
import { versionsWithOpenTotals } from './totals-opening.js';

/** Versions that are compared to tell whether a total may be shown. One comes with each late frame; a few are usual. */
const MAX_VERSIONS_COMPARED = 500;

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
  /** The cursor of the next lines; absent with the last. */
  readonly next?: string;
  readonly totals?: SettlementTotals;
}

/** A page of lines: the cursor is `member/meter` of the last one, which no two lines share. */
export interface LinesPage {
  readonly after?: string;
  readonly limit: number;
}

export interface SettlementQuestion {
  readonly startS: number;
  /** Whether the asker may see members' lines: the totals are then not held back either. */
  readonly withLines: boolean;
  /** Which of the lines; all of them when absent. */
  readonly lines?: LinesPage;
}

/** The newest versions of the interval, at most a page of them, oldest first. Throws 'bad-request' off the grid. */
export async function recentVersions(reader: CommunityReader, startS: number): Promise<SettlementShell[]> {
  await checkStart(reader, startS);
  const newestFirst = await scanVersions(reader, startS, { limit: DEFAULT_PAGE_ITEMS, reverse: true });
  return newestFirst.reverse();
}

/** The newest version's shell; undefined before the interval was settled. `startS` is on the grid. */
export async function newestVersion(reader: CommunityReader, startS: number): Promise<SettlementShell | undefined> {
  return (await scanVersions(reader, startS, { limit: 1, reverse: true }))[0];
}

/** Every version of the interval, oldest first, in pages; the cursor is the version. Throws 'bad-request' off the grid. */
export async function listVersions(
  reader: CommunityReader,
  startS: number,
  { after, limit }: { readonly after?: number; readonly limit: number },
): Promise<Page<SettlementShell>> {
  await checkStart(reader, startS);
  const from = after === undefined ? {} : { from: keyAfter(settlementKey(startS, after)) };
  const versions = await scanVersions(reader, startS, { ...from, limit: limit + 1 });
  return pageOfRead(versions, limit, ({ version }) => String(version));
}

async function scanVersions(reader: CommunityReader, startS: number, range: ScanRange): Promise<SettlementShell[]> {
  const rows = await reader.scan('settlement', { from: `${startKey(startS)}/`, to: `${startKey(startS)}0`, ...range });
  return rows.map(([key, row]) => toShell(startS, Number(key.split('/')[1]), row));
}

/** Throws 'not-found' for a version that there is not. */
export async function settlementVersion(
  reader: CommunityReader,
  question: SettlementQuestion & { readonly version: number },
): Promise<SettlementView> {
  const { startS, version, withLines, lines } = question;
  await checkStart(reader, startS);
  const row = await reader.row('settlement', settlementKey(startS, version));
  if (row === undefined) throw new LedgerError('not-found', `no version ${version} of the settlement of ${startS}`);
  const shell = toShell(startS, version, row);
  if (withLines) return { ...shell, ...(await linesOf(reader, shell, lines)), ...(await totalsOf(reader, shell)) };
  return (await isOpenToAll(reader, shell)) ? { ...shell, ...(await totalsOf(reader, shell)) } : shell;
}

/** The newest version, and the shells of the newest ones. Throws 'not-found' before the interval was settled. */
export async function newestSettlement(
  reader: CommunityReader,
  question: SettlementQuestion,
): Promise<{ readonly newest: SettlementView; readonly versions: readonly SettlementShell[] }> {
  const versions = await recentVersions(reader, question.startS);
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

async function linesOf(reader: CommunityReader, { index }: SettlementShell, page: LinesPage | undefined) {
  const [content] = await reader.openings([{ index, part: 0 }]);
  if (content === undefined) return {};
  const { lines } = parseVectorContent(content);
  if (page === undefined) return { lines };
  const { items, next } = pageOf(lines, page, { cursorOf: unitOf, compare: compareCursors });
  return { lines: items, ...(next === undefined ? {} : { next }) };
}

const unitOf = ({ member, meter }: SettlementLine): string => `${member}/${meter}`;

/** In the order of the lines: by member, then by meter (LOG 6.2). Ids are ASCII, and no id has a slash. */
function compareCursors(a: string, b: string): number {
  const [memberA = '', meterA = ''] = a.split('/');
  const [memberB = '', meterB = ''] = b.split('/');
  return compareUtf8(memberA, memberB) || compareUtf8(meterA, meterB);
}

async function totalsOf(reader: CommunityReader, { index }: SettlementShell) {
  const [content] = await reader.openings([{ index, part: 1 }]);
  return content === undefined ? {} : { totals: parseTotalsContent(content).totals };
}

/** Where a version's lines were erased, nobody can tell any more how far it was from the others: it stays closed. */
async function isOpenToAll(reader: CommunityReader, shell: SettlementShell): Promise<boolean> {
  const { genesis } = await reader.communityRow();
  const upTo = await scanVersions(reader, shell.startS, {
    to: keyAfter(settlementKey(shell.startS, shell.version)),
    limit: MAX_VERSIONS_COMPARED,
  });
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
