/** The daily seal: every member's lines since the last one and closing balance, under one root (LOG 7). */

import { toHex } from '@commonwatt/firmware-protocol';
import { SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import type { Decision } from './decision.js';
import { LedgerError } from './errors.js';
import { foldSeal } from './fold/settlement.js';
import { DAY_S } from './intervals/readings.js';
import { encodeSeal, encodeSealLeafContent, parseVectorContent, type SealedLine, sealTree } from './records/index.js';
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
  const lines = linesByMember(decision);
  const contents = decision.rows.all('party').map(([member]) => ({
    content: leafContent(decision, member, number, lines.get(member) ?? []),
    privacyKey: decision.privacyKey(member),
  }));
  const { root, leaves } = sealTree(decision.hasher, sealIndex, contents);
  leaves.forEach(({ salt }, part) => {
    decision.keepOpening(sealIndex, part, salt, contents[part]!.content);
  });
  const leafCount = leaves.length;
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

function leafContent(decision: Decision, member: string, sealNumber: number, lines: readonly SealedLine[]): Uint8Array {
  const balance = decision.rows.get('balance', member);
  return encodeSealLeafContent({
    member,
    sealNumber,
    lines,
    closingMicro: balance?.amountMicro ?? 0n,
    closingMwh: balance?.energyMwh ?? 0,
  });
}

/** Lines by settlement index, then meter, with the credits that this very version posted for the line. */
function linesByMember(decision: Decision): Map<string, SealedLine[]> {
  const byMember = new Map<string, SealedLine[]>();
  for (const [key, { version, startS }] of decision.rows.all('unsealed')) {
    const index = Number(key);
    const earlier = previousAmounts(decision, startS, version);
    for (const line of vectorLines(decision, index)) {
      const postedMicro = line.amountMicro - (earlier.get(`${line.member}/${line.meter}`) ?? 0n);
      const list = byMember.get(line.member) ?? [];
      list.push({ settlementIndex: index, line, postedMicro });
      byMember.set(line.member, list);
    }
  }
  return byMember;
}

function previousAmounts(decision: Decision, startS: number, version: number): ReadonlyMap<string, bigint> {
  if (version === 1) return new Map();
  const row = decision.rows.get('settlement', before(startS, version).key);
  if (row === undefined) throw new LedgerError('invariant', `interval ${startS} has no version ${version - 1}`);
  return new Map(vectorLines(decision, row.index).map((line) => [`${line.member}/${line.meter}`, line.amountMicro]));
}

function vectorLines(decision: Decision, index: number) {
  return parseVectorContent(decision.openingOf(index).subarray(SALT_BYTES)).lines;
}
