/** The daily seal: every member's lines since the last one and closing balance, under one root (LOG 7). */

import { toHex } from '@commonwatt/firmware-protocol';
import { SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import type { Decision } from './decision.js';
import { LedgerError } from './errors.js';
import { foldSeal } from './fold/settlement.js';
import { DAY_S } from './intervals/readings.js';
import {
  type AmountColumn,
  encodeSeal,
  type LineColumns,
  mergeNames,
  parseVectorColumns,
  type ReadVector,
  SealLeafWriter,
  sealTree,
  type UnitNames,
} from './records/index.js';
import { openingKey, settlementKey } from './rows.js';

/** A day has turned since the newest thing that the log tells of, and no seal covers that yet (LOG 7.1). */
export function isSealDue(decision: Decision, nowS: number): boolean {
  const { newestS, isSealed } = decision.communityRow();
  return !isSealed && Math.floor(nowS / DAY_S) > Math.floor(newestS / DAY_S);
}

/** Appends the seal and folds it. The openings of its leaves lie beside it, part n for the n-th party. */
export function appendSeal(decision: Decision): void {
  const community = decision.communityRow();
  const number = community.sealNumber + 1;
  const sealIndex = decision.log.size;
  requireVectors(decision);
  const leaves = leavesByMember(decision);
  const contents = decision.rows.all('party').map(([member]) => ({
    content: leafContent(decision, member, number, leaves.get(member) ?? new SealLeafWriter()),
    privacyKey: decision.privacyKey(member),
  }));
  const { root, leaves: closed } = sealTree(decision.hasher, sealIndex, contents);
  closed.forEach(({ salt }, part) => {
    decision.keepOpening(sealIndex, part, salt, contents[part]!.content);
  });
  const leafCount = closed.length;
  const previous = community.sealNumber > 0 && { previousIndex: community.sealIndex };
  const { index } = decision.append(encodeSeal({ number, ...previous, leafCount, root }));
  foldSeal(decision.rows, { index, number, leafCount, root: toHex(root) });
}

/** All at once: each by itself would be a decision begun anew. */
function requireVectors(decision: Decision): void {
  const { rows } = decision;
  const unsealed = rows.all('unsealed').map(([key, { startS, version }]) => ({ index: Number(key), startS, version }));
  const later = unsealed.filter(({ version }) => version > 1);
  rows.require(later.map(({ startS, version }) => before(startS, version)));
  const previous = later.map(({ startS, version }) => rows.get('settlement', before(startS, version).key)?.index ?? 0);
  const indices = new Set([...unsealed.map(({ index }) => index), ...previous]);
  rows.require([...indices].map((index) => ({ table: 'opening', key: openingKey(index) })));
}

const before = (startS: number, version: number) =>
  ({ table: 'settlement', key: settlementKey(startS, version - 1) }) as const;

function leafContent(decision: Decision, member: string, sealNumber: number, leaf: SealLeafWriter): Uint8Array {
  const balance = decision.rows.get('balance', member);
  const [closingMicro, closingMwh] = [balance?.amountMicro ?? 0n, balance?.energyMwh ?? 0];
  return leaf.finish({ member, sealNumber, closingMicro, closingMwh });
}

/** Lines by settlement index, then meter, with the credits that this very version posted for the line. */
function leavesByMember(decision: Decision): Map<string, SealLeafWriter> {
  const byMember = new Map<string, SealLeafWriter>();
  // One vector names mostly whom the one before did.
  let likely: UnitNames | undefined;
  for (const [key, { version, startS }] of decision.rows.all('unsealed')) {
    const index = Number(key);
    const content = contentOf(decision, index);
    const vector = parseVectorColumns(content, likely);
    likely = vector.lines.units;
    addLines(byMember, { index, content, vector, postedMicro: postedBy(decision, startS, version, vector.lines) });
  }
  return byMember;
}

interface SealedVersion {
  readonly index: number;
  readonly content: Uint8Array;
  readonly vector: ReadVector;
  readonly postedMicro: AmountColumn | readonly bigint[];
}

function addLines(byMember: Map<string, SealLeafWriter>, { index, content, vector, postedMicro }: SealedVersion): void {
  const { lines, ends } = vector;
  lines.units.members.forEach((member, i) => {
    let leaf = byMember.get(member);
    if (leaf === undefined) {
      leaf = new SealLeafWriter();
      byMember.set(member, leaf);
    }
    leaf.add(index, content.subarray(ends[i]!, ends[i + 1]!), postedMicro[i]!);
  });
}

/** By line: its amount less that of the same unit in the version before, if it had one. */
function postedBy(
  decision: Decision,
  startS: number,
  version: number,
  { units, amountMicro }: LineColumns,
): AmountColumn | readonly bigint[] {
  if (version === 1) return amountMicro;
  const row = decision.rows.get('settlement', before(startS, version).key);
  if (row === undefined) throw new LedgerError('invariant', `interval ${startS} has no version ${version - 1}`);
  const earlier = parseVectorColumns(contentOf(decision, row.index), units).lines;
  const { names, ofFirst, ofSecond } = mergeNames(units, earlier.units);
  const sums = new Array<bigint>(names.length).fill(0n);
  ofSecond.forEach((place, i) => {
    sums[place] = -BigInt(earlier.amountMicro[i]!);
  });
  return Array.from(ofFirst, (place, i) => sums[place]! + BigInt(amountMicro[i]!));
}

function contentOf(decision: Decision, index: number): Uint8Array {
  return decision.openingOf(index).subarray(SALT_BYTES);
}
