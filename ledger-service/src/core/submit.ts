/** Entries that the operator signed: checked by who signed them, their number and what they would change, then folded. */
import type { Verifier } from '@commonwatt/firmware-protocol';
import { bytesEqual, fromHex, toHex } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { COMMUNITY_KEY, type Decision } from './decision.js';
import { LedgerError } from './errors.js';
import { foldGatewayEpoch } from './fold/frames.js';
import { countSigner, foldDevice, foldDeviceRevoked, foldGenesis, foldParty, foldRules } from './fold/registry.js';
import { keyIdHex } from './identity.js';
import {
  communityOfOrigin,
  type Device,
  type EpochApproval,
  type Genesis,
  openSignedEntry,
  type Party,
  parseDevice,
  parseDeviceRevoked,
  parseEpochApproval,
  parseEpochRequestPayload,
  parseGenesis,
  parseParty,
  parseRules,
  parseSealedEntry,
  type Rules,
  signedContent,
  signedEntry,
} from './records/index.js';

/** Untrusted until its signature is checked. */
export interface SubmittedEntry {
  readonly kind: number;
  /** COSE_Sign1 by the operator, external data `<origin> log-entry/v1`. */
  readonly cose: Uint8Array;
  /** Kind 4 only: the device's COSE_Sign1 that the operator agrees to; absent: the one that waits here. */
  readonly request?: Uint8Array;
}

/** What the use case brings along, since core knows neither chance nor time. */
export interface SubmitContext {
  readonly verifier: Verifier;
  readonly nowS: number;
  /** 32 fresh random bytes. */
  drawKey(): Uint8Array;
}

const MAX_SPAN_S = 86_400;

/** Entry 0. Throws 'conflict' when the log has begun, 'bad-entry' or 'bad-signer' for what is no genesis of this community. */
export function decideGenesis(decision: Decision, cose: Uint8Array, context: SubmitContext): number {
  if (decision.log.size > 0) throw new LedgerError('conflict', `community ${decision.community} exists already`);
  const genesis = parseGenesis(parseSealedEntry(cose).payload);
  openSignedEntry({
    message: cose,
    origin: genesis.origin,
    publicKey: genesis.operatorKey,
    hasher: decision.hasher,
    verifier: context.verifier,
  });
  checkGenesis(decision.community, genesis);
  decision.addPrivacyKey(COMMUNITY_KEY, context.drawKey());
  foldGenesis(decision.rows, genesis);
  return decision.append(signedEntry(KIND.genesis, cose)).index;
}

function checkGenesis(community: string, { origin, settings }: Genesis): void {
  if (communityOfOrigin(origin) !== community) {
    throw new LedgerError('bad-entry', `genesis: expected an origin that ends with /${community}, got ${origin}`);
  }
  if (settings.maxSpanS > MAX_SPAN_S) {
    throw new LedgerError('bad-entry', `genesis: expected a maxSpan of at most a day, got ${settings.maxSpanS} s`);
  }
}

/** Returns the new entry's index. */
export function decideSubmitted(decision: Decision, entry: SubmittedEntry, context: SubmitContext): number {
  const { kind, cose } = entry;
  const { genesis } = decision.communityRow();
  const { operatorKey, origin } = genesis;
  const { hasher } = decision;
  const payload = openSignedEntry({
    message: cose,
    origin,
    publicKey: operatorKey,
    hasher,
    verifier: context.verifier,
  });
  switch (kind) {
    case KIND.party:
      return acceptParty(decision, cose, parseParty(payload), context);
    case KIND.device:
      return acceptDevice(decision, cose, parseDevice(decision.hasher, payload));
    case KIND.deviceRevoked:
      return acceptRevocation(decision, cose, parseDeviceRevoked(payload));
    case KIND.gatewayEpoch:
      return acceptEpoch(decision, entry, parseEpochApproval(payload), context.verifier);
    case KIND.rules:
      return acceptRules(decision, cose, parseRules(payload), context.nowS);
    default:
      throw new LedgerError(
        'bad-entry',
        `kind: expected 1 party, 2 device, 3 device revoked, 4 gateway epoch or 8 rules, got ${kind}`,
      );
  }
}

/** Each signature enters once: the signer's numbers rise by one. */
function takeNumber(decision: Decision, number: number): void {
  const { operatorKey } = decision.communityRow().genesis;
  const last = decision.rows.get('signer', toHex(operatorKey))?.lastNumber ?? 0;
  if (number !== last + 1) {
    throw new LedgerError(
      'bad-number',
      `number of the operator's entry: expected ${last + 1}, got ${number}; sign it again`,
    );
  }
  countSigner(decision.rows, operatorKey, number);
}

function acceptParty(decision: Decision, cose: Uint8Array, party: Party, context: SubmitContext): number {
  takeNumber(decision, party.number);
  decision.addPrivacyKey(party.member, context.drawKey());
  const { index } = decision.appendPrivate(KIND.party, signedContent(cose), party.member);
  foldParty(decision.rows, index, party);
  return index;
}

function acceptDevice(decision: Decision, cose: Uint8Array, device: Device): number {
  takeNumber(decision, device.number);
  if (decision.rows.get('party', device.member) === undefined) {
    throw new LedgerError('not-found', `device: no member ${device.member}; enrol the party first`);
  }
  const kid = keyIdHex(decision.hasher, device.key);
  checkRole(decision, device.key);
  checkKid(decision, kid, device);
  checkHome(decision, kid, device.home);
  for (const meter of device.meters) checkMeter(decision, kid, device.member, meter);
  const entry = decision.append(signedEntry(KIND.device, cose));
  foldDevice(decision.rows, entry, device, decision.hasher);
  return entry.index;
}

/** Each key has one role (LOG 1.3): a device's is not one of the community's or of a member's. */
function checkRole(decision: Decision, key: Uint8Array): void {
  const { logKey, answerKey, operatorKey } = decision.communityRow().genesis;
  const isOther =
    [logKey, answerKey, operatorKey].some((other) => bytesEqual(other, key)) ||
    decision.rows.all('party').some(([, { memberKey }]) => memberKey === toHex(key));
  if (isOther) throw new LedgerError('conflict', 'device: the key has another role already; make a new key');
}

/** A kid that ever stood in the log is never enrolled again, other than with the same key, home and member. */
function checkKid(decision: Decision, kid: string, device: Device): void {
  const known = decision.rows.get('device', kid);
  if (known === undefined) return;
  const isSame = known.publicKey === toHex(device.key) && known.home === device.home && known.member === device.member;
  if (!isSame || known.revokedIndex !== undefined) {
    const state = known.revokedIndex === undefined ? `home ${known.home} of ${known.member}` : 'a revoked device';
    throw new LedgerError('conflict', `device: the key ${kid} stands in the log for ${state}; make a new key`);
  }
}

function checkHome(decision: Decision, kid: string, home: string): void {
  for (const [other, device] of decision.rows.all('device')) {
    if (other !== kid && device.home === home && device.revokedIndex === undefined) {
      throw new LedgerError('conflict', `device: home ${home} has the gateway ${other}; revoke it first`);
    }
  }
}

/**
 * A meter's id stays with its member and goes on in its generation, whichever gateway reads it: late frames settle old
 * intervals again, and what was measured then was measured for this member. A counter event alone opens a generation.
 */
function checkMeter(decision: Decision, kid: string, member: string, meter: Device['meters'][number]): void {
  const known = decision.rows.get('meter', meter.id);
  if (known === undefined) return;
  const owner = decision.rows.get('device', known.kid);
  if (known.kid !== kid && known.removedIndex === undefined && owner?.revokedIndex === undefined) {
    throw new LedgerError('conflict', `meter ${meter.id}: it is read by the gateway ${known.kid}`);
  }
  if (known.member !== member) {
    throw new LedgerError(
      'conflict',
      `meter ${meter.id}: expected ${known.member}, for whom it has measured, got ${member}; give it a new id`,
    );
  }
  if (meter.generation !== known.generation) {
    throw new LedgerError(
      'conflict',
      `meter ${meter.id}: expected generation ${known.generation}, got ${meter.generation}; a counter event opens the next`,
    );
  }
}

/** After a fork the device asks and the operator agrees: both signatures stand in the entry (LOG 5.4). */
function acceptEpoch(
  decision: Decision,
  { cose, request: given }: SubmittedEntry,
  approval: EpochApproval,
  verifier: Verifier,
): number {
  takeNumber(decision, approval.number);
  const request = given ?? waitingRequest(decision, approval.requestHash);
  const requestHash = decision.hasher.sha256(request);
  if (!bytesEqual(requestHash, approval.requestHash)) {
    throw new LedgerError(
      'bad-entry',
      'gateway epoch: expected the request whose hash the operator signed, got another',
    );
  }
  const kid = toHex(parseSealedEntry(request).kid);
  checkEpochRequest(decision, kid, request, verifier);
  decision.forgetWaiting(kid);
  const entry = decision.append(signedEntry(KIND.gatewayEpoch, request, cose));
  foldGatewayEpoch(decision.rows, entry, kid, requestHash);
  return entry.index;
}

function waitingRequest(decision: Decision, hash: Uint8Array): Uint8Array {
  const found = decision.pendingRequests().find((request) => bytesEqual(request.hash, hash));
  if (found === undefined) throw new LedgerError('not-found', `gateway epoch: no request ${toHex(hash)} waits here`);
  return found.message;
}

function checkEpochRequest(decision: Decision, kid: string, request: Uint8Array, verifier: Verifier): void {
  const device = decision.rows.get('device', kid);
  if (device === undefined) throw new LedgerError('not-found', `gateway epoch: no device ${kid}`);
  if (device.revokedIndex !== undefined) throw new LedgerError('conflict', `gateway epoch: ${kid} is revoked`);
  const { origin } = decision.communityRow().genesis;
  const publicKey = fromHex(device.publicKey);
  const sealed = { message: request, origin, publicKey, hasher: decision.hasher, verifier };
  const asked = parseEpochRequestPayload(openSignedEntry({ ...sealed, sealedKind: 'epoch-request/v1' }));
  const { state } = decision.rows.get('sequence', kid)!;
  if (toHex(asked.kid) !== kid || asked.oldEpoch !== state.epoch) {
    throw new LedgerError(
      'conflict',
      `gateway epoch: expected a request of ${kid} to follow epoch ${state.epoch}, got ${toHex(asked.kid)} and ${asked.oldEpoch}`,
    );
  }
  if (!state.forked) {
    throw new LedgerError(
      'conflict',
      `gateway epoch: epoch ${state.epoch} of ${kid} has not forked; the device's word is enough`,
    );
  }
}

function acceptRevocation(decision: Decision, cose: Uint8Array, revoked: { number: number; kid: Uint8Array }): number {
  takeNumber(decision, revoked.number);
  const kid = toHex(revoked.kid);
  const device = decision.rows.get('device', kid);
  if (device === undefined) throw new LedgerError('not-found', `device revoked: no device ${kid}`);
  if (device.revokedIndex !== undefined) throw new LedgerError('conflict', `device revoked: ${kid} is revoked already`);
  decision.forgetWaiting(kid);
  const { index } = decision.append(signedEntry(KIND.deviceRevoked, cose));
  foldDeviceRevoked(decision.rows, index, kid);
  return index;
}

/** Rules begin at an interval's start; never in the past once there are others, or readings, that it may change. */
function acceptRules(decision: Decision, cose: Uint8Array, rules: Rules, nowS: number): number {
  takeNumber(decision, rules.number);
  const { genesis, newestReceivedS } = decision.communityRow();
  const { intervalS, settings } = genesis;
  const { firstIntervalS } = rules;
  if (decision.rows.get('party', settings.commonsMember) === undefined) {
    throw new LedgerError(
      'not-found',
      `rules: no member ${settings.commonsMember} for the commons; enrol the party first`,
    );
  }
  if (firstIntervalS % intervalS !== 0) {
    throw new LedgerError(
      'bad-entry',
      `rules: expected a first interval on the grid of ${intervalS} s, got ${firstIntervalS}`,
    );
  }
  const hasPast = decision.rows.all('rules').length > 0 || newestReceivedS > 0;
  if (hasPast && firstIntervalS < nowS) {
    throw new LedgerError('bad-entry', `rules: expected a first interval after ${nowS}, got ${firstIntervalS}`);
  }
  const { index } = decision.append(signedEntry(KIND.rules, cose));
  foldRules(decision.rows, index, rules);
  return index;
}
