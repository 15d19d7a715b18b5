/** Entries that the operator signed: checked by who signed them, their number and what they would change, then folded. */
import type { Verifier } from '@commonwatt/firmware-protocol';
import { toHex } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { COMMUNITY_KEY, type Decision } from './decision.js';
import { LedgerError } from './errors.js';
import { countSigner, foldDevice, foldDeviceRevoked, foldGenesis, foldParty, foldRules } from './fold/registry.js';
import { keyIdHex } from './identity.js';
import {
  communityOfOrigin,
  type Device,
  type Genesis,
  openSignedEntry,
  type Party,
  parseDevice,
  parseDeviceRevoked,
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
export function decideSubmitted(decision: Decision, { kind, cose }: SubmittedEntry, context: SubmitContext): number {
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
    case KIND.rules:
      return acceptRules(decision, cose, parseRules(payload), context.nowS);
    default:
      throw new LedgerError('bad-entry', `kind: expected 1 party, 2 device, 3 device revoked or 8 rules, got ${kind}`);
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
  checkKid(decision, kid, device);
  checkHome(decision, kid, device.home);
  for (const meter of device.meters) checkMeter(decision, kid, meter);
  const entry = decision.append(signedEntry(KIND.device, cose));
  foldDevice(decision.rows, entry, device, decision.hasher);
  return entry.index;
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

function checkMeter(decision: Decision, kid: string, meter: Device['meters'][number]): void {
  const known = decision.rows.get('meter', meter.id);
  if (known === undefined) return;
  const owner = decision.rows.get('device', known.kid);
  if (known.kid !== kid && owner?.revokedIndex === undefined) {
    throw new LedgerError('conflict', `meter ${meter.id}: it is read by the gateway ${known.kid}`);
  }
  if (meter.generation < known.generation) {
    throw new LedgerError(
      'conflict',
      `meter ${meter.id}: expected generation ${known.generation} or later, got ${meter.generation}`,
    );
  }
}

function acceptRevocation(decision: Decision, cose: Uint8Array, revoked: { number: number; kid: Uint8Array }): number {
  takeNumber(decision, revoked.number);
  const kid = toHex(revoked.kid);
  const device = decision.rows.get('device', kid);
  if (device === undefined) throw new LedgerError('not-found', `device revoked: no device ${kid}`);
  if (device.revokedIndex !== undefined) throw new LedgerError('conflict', `device revoked: ${kid} is revoked already`);
  const { index } = decision.append(signedEntry(KIND.deviceRevoked, cose));
  foldDeviceRevoked(decision.rows, index, kid);
  return index;
}

/** Rules begin at an interval's start; after the first ones never in the past, where intervals may be settled. */
function acceptRules(decision: Decision, cose: Uint8Array, rules: Rules, nowS: number): number {
  takeNumber(decision, rules.number);
  const { intervalS } = decision.communityRow().genesis;
  const { firstIntervalS } = rules;
  if (firstIntervalS % intervalS !== 0) {
    throw new LedgerError(
      'bad-entry',
      `rules: expected a first interval on the grid of ${intervalS} s, got ${firstIntervalS}`,
    );
  }
  if (decision.rows.all('rules').length > 0 && firstIntervalS < nowS) {
    throw new LedgerError('bad-entry', `rules: expected a first interval after ${nowS}, got ${firstIntervalS}`);
  }
  const { index } = decision.append(signedEntry(KIND.rules, cose));
  foldRules(decision.rows, index, rules);
  return index;
}
