/** The fold: what any entry of the log does to the projections, from its leaf and its opening alone (LOG 8). */
import { parseFramePayload, parseSealed, toHex } from '@commonwatt/firmware-protocol';
import { KIND, leafHash } from '@commonwatt/firmware-protocol/log';
import type { Decision } from '../decision.js';
import { LedgerError } from '../errors.js';
import {
  type Leaf,
  opens,
  parseCounterEventPayload,
  parseDevice,
  parseDeviceRevoked,
  parseEpochRequestPayload,
  parseEvidenceContent,
  parseFrameContent,
  parseGap,
  parseGapRequestPayload,
  parseGenesis,
  parseLeaf,
  parseParty,
  parseRules,
  parseSeal,
  parseSealedEntry,
  parseSettlement,
  parseSignedBody,
  parseSignedContent,
  parseTotalsContent,
  parseVectorContent,
} from '../records/index.js';
import { openingKey, startKey } from '../rows.js';
import { intervalSettings } from '../settings.js';
import { settle, settledVersion } from '../settle.js';
import { foldCounterEvent } from './counter-event.js';
import { foldFork, foldFrame, foldGap, foldGatewayEpoch } from './frames.js';
import { countSigner, foldDevice, foldDeviceRevoked, foldGenesis, foldParty, foldRules } from './registry.js';
import { foldSeal, foldSettlement } from './settlement.js';

const SALT_BYTES = 16;

/** An entry as the sources hold it. */
interface SourceEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly leaf: Leaf;
}

/**
 * Folds entry `index`, whose leaf data is given, and returns its leaf hash; openings are read through the decision's rows. Every commitment is
 * opened and every settlement recomputed: throws LedgerError 'invariant' that names the entry where one does not agree.
 */
export function foldEntry(decision: Decision, index: number, leafData: Uint8Array): Uint8Array {
  const entry = { index, leafHash: leafHash(decision.hasher, leafData), leaf: parseLeaf(leafData) };
  foldByKind(decision, entry);
  return entry.leafHash;
}

function foldByKind(decision: Decision, entry: SourceEntry): void {
  const { index } = entry;
  const { kind } = entry.leaf;
  switch (kind) {
    case KIND.genesis:
      return foldGenesis(decision.rows, parseGenesis(publicPayload(entry)));
    case KIND.party:
      return withSigner(decision, parseParty(payloadOf(parseSignedContent(opened(decision, entry)))), (party) =>
        foldParty(decision.rows, index, party),
      );
    case KIND.device:
      return withSigner(decision, parseDevice(decision.hasher, publicPayload(entry)), (device) =>
        foldDevice(decision.rows, entry, device, decision.hasher),
      );
    case KIND.deviceRevoked:
      return withSigner(decision, parseDeviceRevoked(publicPayload(entry)), ({ kid }) =>
        foldDeviceRevoked(decision.rows, index, toHex(kid)),
      );
    case KIND.rules:
      return withSigner(decision, parseRules(publicPayload(entry)), (rules) => foldRules(decision.rows, index, rules));
    case KIND.gatewayEpoch:
      return foldEpochEntry(decision, entry);
    case KIND.counterEvent:
      return foldCounterEntry(decision, entry);
    case KIND.frame:
      return foldFrameEntry(decision, entry);
    case KIND.gap:
      return foldGapEntry(decision, entry);
    case KIND.evidence:
      return foldFork(decision.rows, toHex(parseEvidenceContent(opened(decision, entry)).kid));
    case KIND.settlement:
      return foldSettlementEntry(decision, entry);
    case KIND.seal: {
      const { number, leafCount, root } = parseSeal(bodyOf(entry));
      return foldSeal(decision.rows, { index, number, leafCount, root: toHex(root) });
    }
    default:
      throw new LedgerError('invariant', `entry ${index}: kind ${kind} is not booked by this version`);
  }
}

function withSigner<T extends { readonly number: number }>(
  decision: Decision,
  record: T,
  fold: (record: T) => void,
): void {
  countSigner(decision.rows, decision.communityRow().genesis.operatorKey, record.number);
  fold(record);
}

function foldEpochEntry(decision: Decision, entry: SourceEntry): void {
  const { message } = parseSignedBody(KIND.gatewayEpoch, bodyOf(entry));
  const { kid } = parseEpochRequestPayload(payloadOf(message));
  foldGatewayEpoch(decision.rows, entry, toHex(kid), decision.hasher.sha256(message));
}

function foldCounterEntry(decision: Decision, entry: SourceEntry): void {
  const message = parseSignedContent(opened(decision, entry));
  const event = parseCounterEventPayload(payloadOf(message));
  const messageHash = decision.hasher.sha256(message);
  foldCounterEvent(
    decision.rows,
    { index: entry.index, messageHash },
    event,
    intervalSettings(decision.communityRow()),
  );
}

function foldFrameEntry(decision: Decision, entry: SourceEntry): void {
  const { receivedS, message } = parseFrameContent(opened(decision, entry));
  const sealed = parseSealed(message);
  const kid = toHex(sealed.kid);
  const payload = parseFramePayload(sealed.payload);
  const hash = decision.hasher.sha256(message);
  foldFrame(
    decision.rows,
    { index: entry.index, kid, hash, payload, receivedS },
    intervalSettings(decision.communityRow()),
  );
}

function foldGapEntry(decision: Decision, entry: SourceEntry): void {
  const gap = parseGap(bodyOf(entry));
  const claim = gap.by === 'ledger' ? gap.gap : parseGapRequestPayload(payloadOf(gap.message));
  foldGap(decision.rows, toHex(claim.kid), claim);
}

/** The lines are computed again from the entries before this one, and have to be the ones that were committed to. */
function foldSettlementEntry(decision: Decision, entry: SourceEntry): void {
  const shell = parseSettlement(bodyOf(entry));
  const { startS, version } = shell;
  const row = decision.rows.get('interval', startKey(startS));
  if (row === undefined || row.version !== version - 1) {
    throw new LedgerError(
      'invariant',
      `entry ${entry.index}: version ${version} of ${startS} does not follow ${row?.version ?? 'anything'}`,
    );
  }
  const before = version === 1 ? undefined : settledVersion(decision, row);
  const { lines } = parseVectorContent(openedPart(decision, entry.index, 0, shell.vectorCommitment));
  const { totals } = parseTotalsContent(openedPart(decision, entry.index, 1, shell.totalsCommitment));
  if (shell.reason !== 6) checkRecomputed(decision, entry.index, { startS, version, lines, before: before?.lines });
  foldSettlement(decision.rows, {
    index: entry.index,
    shell: { ...shell, previousIndex: shell.previousIndex },
    lines,
    totals,
    before,
  });
}

function checkRecomputed(
  decision: Decision,
  index: number,
  { startS, version, lines, before }: { startS: number; version: number; lines: Lines; before: Lines | undefined },
): void {
  const again = settle(decision, startS, version, before).lines;
  const differs = again.length !== lines.length || again.some((line, i) => !sameLine(line, lines[i]!));
  if (differs)
    throw new LedgerError('invariant', `entry ${index}: interval ${startS} version ${version} computes to other lines`);
}

type Lines = ReturnType<typeof parseVectorContent>['lines'];

function sameLine(a: Lines[number], b: Lines[number]): boolean {
  return (
    a.member === b.member &&
    a.meter === b.meter &&
    a.needMwh === b.needMwh &&
    a.offerMwh === b.offerMwh &&
    a.receivedMwh === b.receivedMwh &&
    a.deliveredMwh === b.deliveredMwh &&
    a.amountMicro === b.amountMicro &&
    a.quality === b.quality
  );
}

function bodyOf({ index, leaf }: SourceEntry) {
  if (leaf.body === undefined) throw new LedgerError('invariant', `entry ${index}: expected a public body`);
  return leaf.body;
}

function publicPayload(entry: SourceEntry): Uint8Array {
  return payloadOf(parseSignedBody(entry.leaf.kind, bodyOf(entry)).message);
}

function payloadOf(message: Uint8Array): Uint8Array {
  return parseSealedEntry(message).payload;
}

function opened(decision: Decision, { index, leaf }: SourceEntry): Uint8Array {
  if (leaf.commitment === undefined) throw new LedgerError('invariant', `entry ${index}: expected a commitment`);
  return openedPart(decision, index, 0, leaf.commitment);
}

/** The content beside the log, proved to be the one that the log committed to. */
function openedPart(decision: Decision, index: number, part: number, commitment: Uint8Array): Uint8Array {
  const opening = decision.rows.get('opening', openingKey(index, part));
  if (opening === undefined) throw new LedgerError('invariant', `entry ${index}: its opening ${part} is missing`);
  const salt = opening.subarray(0, SALT_BYTES);
  const content = opening.subarray(SALT_BYTES);
  if (!opens(decision.hasher, { commitment, salt, content })) {
    throw new LedgerError('invariant', `entry ${index}: its opening ${part} is not what the log committed to`);
  }
  return content;
}
