/** The fold: what any entry of the log does to the projections, from its leaf and its opening alone (LOG 8.3). */
import { bytesEqual, parseFramePayload, parseSealed, toHex } from '@commonwatt/firmware-protocol';
import { KIND, leafHash } from '@commonwatt/firmware-protocol/log';
import { Balances } from '../balances.js';
import type { Decision } from '../decision.js';
import { LedgerError } from '../errors.js';
import { rowsOfFrame } from '../needs.js';
import {
  encodeTotalsContent,
  encodeVectorContent,
  type Leaf,
  opens,
  parseCounterEventPayload,
  parseDevice,
  parseDeviceRevoked,
  parseEpochApproval,
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
  SETTLEMENT_REASON,
  type SettlementShell,
} from '../records/index.js';
import { openingKey, startKey } from '../rows.js';
import { intervalSettings, rulesAt } from '../settings.js';
import { type SettledVersion, settle, settledVersion } from '../settle.js';
import type { Settlement } from '../settlement.js';
import { foldCounterEvent } from './counter-event.js';
import { foldFork, foldFrame, foldGap, foldGatewayEpoch } from './frames.js';
import { countSigner, foldDevice, foldDeviceRevoked, foldGenesis, foldParty, foldRules } from './registry.js';
import { foldSeal, foldSettlement, postingOf } from './settlement.js';

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
  const fold = FOLDS[entry.leaf.kind];
  if (fold === undefined) {
    throw new LedgerError('invariant', `entry ${index}: kind ${entry.leaf.kind} is not booked by this version`);
  }
  fold(decision, entry);
  return entry.leafHash;
}

type Fold = (decision: Decision, entry: SourceEntry) => void;

const FOLDS: { readonly [kind: number]: Fold } = {
  [KIND.genesis]: ({ rows }, entry) => foldGenesis(rows, parseGenesis(publicPayload(entry))),
  [KIND.party]: (decision, entry) => {
    const party = parseParty(payloadOf(parseSignedContent(opened(decision, entry))));
    countOperator(decision, party.number);
    foldParty(decision.rows, entry.index, party);
  },
  [KIND.device]: (decision, entry) => {
    const device = parseDevice(decision.hasher, publicPayload(entry));
    countOperator(decision, device.number);
    foldDevice(decision.rows, entry, device, decision.hasher);
  },
  [KIND.deviceRevoked]: (decision, entry) => {
    const { number, kid } = parseDeviceRevoked(publicPayload(entry));
    countOperator(decision, number);
    foldDeviceRevoked(decision.rows, entry.index, toHex(kid));
  },
  [KIND.rules]: (decision, entry) => {
    const rules = parseRules(publicPayload(entry));
    countOperator(decision, rules.number);
    foldRules(decision.rows, entry.index, rules);
  },
  [KIND.gatewayEpoch]: foldEpochEntry,
  [KIND.counterEvent]: foldCounterEntry,
  [KIND.frame]: foldFrameEntry,
  [KIND.gap]: foldGapEntry,
  [KIND.evidence]: (decision, entry) => {
    foldFork(decision.rows, toHex(parseEvidenceContent(opened(decision, entry)).kid));
  },
  [KIND.settlement]: foldSettlementEntry,
  [KIND.seal]: ({ rows }, entry) => {
    const { number, leafCount, root } = parseSeal(bodyOf(entry));
    foldSeal(rows, { index: entry.index, number, leafCount, root: toHex(root) });
  },
};

function countOperator(decision: Decision, number: number): void {
  countSigner(decision.rows, decision.communityRow().genesis.operatorKey, number);
}

function foldEpochEntry(decision: Decision, entry: SourceEntry): void {
  const { message, operatorMessage } = parseSignedBody(KIND.gatewayEpoch, bodyOf(entry));
  if (operatorMessage !== undefined) countOperator(decision, parseEpochApproval(payloadOf(operatorMessage)).number);
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
  const settings = intervalSettings(decision.communityRow());
  decision.rows.require(rowsOfFrame(decision.rows, kid, payload, settings));
  foldFrame(decision.rows, { index: entry.index, kid, hash, payload, receivedS }, settings);
}

function foldGapEntry(decision: Decision, entry: SourceEntry): void {
  const gap = parseGap(bodyOf(entry));
  if (gap.by === 'ledger') {
    foldGap(decision.rows, toHex(gap.gap.kid), gap.gap);
    return;
  }
  const claim = parseGapRequestPayload(payloadOf(gap.message));
  const request = { index: entry.index, hash: decision.hasher.sha256(gap.message) };
  foldGap(decision.rows, toHex(claim.kid), claim, request);
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
  const vector = openedPart(decision, entry.index, 0, shell.vectorCommitment);
  const totals = openedPart(decision, entry.index, 1, shell.totalsCommitment);
  const again = versionAgain(decision, shell, before);
  const isSame =
    bytesEqual(vector, encodeVectorContent({ startS, version, lines: again.lines })) &&
    bytesEqual(totals, encodeTotalsContent({ startS, version, totals: again.totals }));
  if (!isSame || shell.final !== again.final || shell.rulesIndex !== rulesAt(decision.rows, startS)?.index) {
    throw new LedgerError(
      'invariant',
      `entry ${entry.index}: interval ${startS} version ${version} computes to another`,
    );
  }
  const { previousIndex } = shell;
  const balances = new Balances(decision.rows);
  const posting = postingOf(decision.rows, balances, again, before);
  foldSettlement(decision.rows, balances, { index: entry.index, shell: { ...shell, previousIndex }, posting });
  balances.put();
}

/** What this version has to be, from the entries before it and its reason alone. */
function versionAgain(
  decision: Decision,
  { startS, version, reason }: SettlementShell,
  before: SettledVersion | undefined,
): Pick<Settlement, 'lines' | 'totals'> & { final: boolean } {
  if (reason === SETTLEMENT_REASON.grace && before !== undefined) return { ...before, final: true };
  const { lines, totals, complete } = settle(decision, startS, version, before?.lines.units);
  return { lines, totals, final: complete || before?.row.final === true };
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
