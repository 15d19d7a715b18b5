/** The entries an operator signs: a community's beginning, and a home's. */
import { type Hasher, keyId, type Signer, toHex } from '@commonwatt/firmware-protocol';
import { KIND, leafHash } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../core/errors.js';
import {
  type CommunitySettings,
  encodeDeviceFields,
  encodeDeviceRevokedFields,
  encodeEpochApprovalFields,
  encodeGenesisFields,
  encodePartyFields,
  encodeRulesFields,
  type MemberClass,
  type MeterRecord,
  type RuleSettings,
  sealEntry,
  signedEntry,
} from '../core/records/index.js';
import type { Ledger } from '../usecases/ledger.js';
import type { KeyRole } from './data-folder.js';
import type { IntervalSeconds } from './option-values.js';

export interface CommunityPlan {
  readonly community: string;
  readonly host: string;
  readonly currency: string;
  readonly intervalS: IntervalSeconds;
  readonly timeZone: string;
  readonly settings: CommunitySettings;
  readonly rules: RuleSettings;
  /** Start of the first interval that is settled, UTC seconds. */
  readonly firstIntervalS: number;
}

export interface SignedByOperator {
  readonly kind: 1 | 2 | 3 | 4 | 8;
  readonly cose: Uint8Array;
}

/** What an entry of the operator's is signed with. */
export interface Signing {
  readonly origin: string;
  readonly operator: Signer;
  readonly hasher: Hasher;
  /** The number that the operator's next entry has to carry. */
  readonly nextNumber: number;
}

export const COMMONS_NAME = 'Commons fund';

/** Genesis, the commons member and the first rules. Throws 'conflict' when the community exists. */
export async function createCommunity(
  ledger: Ledger,
  plan: CommunityPlan,
  { keys, hasher }: { keys: Readonly<Record<KeyRole, Signer>>; hasher: Hasher },
): Promise<void> {
  const origin = `${plan.host}/${plan.community}`;
  const payload = encodeGenesisFields({
    number: 1,
    origin,
    currency: plan.currency,
    intervalS: plan.intervalS,
    timeZone: plan.timeZone,
    settings: plan.settings,
    logKey: keys.log.publicKey,
    answerKey: keys.answer.publicKey,
    operatorKey: keys.operator.publicKey,
  });
  const seal = (sealed: Uint8Array) => sealEntry({ payload: sealed, origin, signer: keys.operator, hasher });
  const community = await ledger.create({ community: plan.community, genesisCose: seal(payload) });
  const commons = encodePartyFields({
    number: 2,
    member: plan.settings.commonsMember,
    memberClass: 2,
    name: COMMONS_NAME,
  });
  await community.submit([
    { kind: KIND.party, cose: seal(commons) },
    signRules(plan, { origin, operator: keys.operator, hasher, nextNumber: 3 }),
  ]);
}

/** What rules are signed from. */
export type RulesPlan = Pick<CommunityPlan, 'rules' | 'firstIntervalS' | 'currency'> & { readonly intervalS: number };

/** Rules that hold for intervals from `firstIntervalS` on, which is on the grid (LOG 5.8). */
export function signRules(plan: RulesPlan, signing: Signing): SignedByOperator {
  const payload = encodeRulesFields({
    number: signing.nextNumber,
    settings: plan.rules,
    firstIntervalS: plan.firstIntervalS,
    text: describeRules(plan),
  });
  return { kind: KIND.rules, cose: sealAsOperator(payload, signing) };
}

/** What the rules say, in words that stand in the log. */
function describeRules({ rules, intervalS, currency }: RulesPlan): string {
  const units = {
    0: 'Each meter counts its import as need and its export as offer.',
    1: 'Import and export of one meter in one interval cancel out.',
    2: "Import and export of all of a member's meters in one interval cancel out.",
  }[rules.netting];
  return [
    `In each interval of ${intervalS / 60} minutes the energy that members offer is shared among those who need it, in proportion to their needs, and taken from those who offer it in proportion to their offers.`,
    units,
    `A kilowatt-hour received costs ${rules.priceMicroPerKwh} millionths of a ${currency}; ${rules.levyBasisPoints} hundredths of a percent of what is paid go to the commons fund, the rest to those who delivered.`,
  ].join(' ');
}

export interface HomePlan {
  readonly home: string;
  readonly member: string;
  readonly memberClass: MemberClass;
  /** False when the member stands in the log already. */
  readonly isNewMember: boolean;
  readonly name?: string;
  /** The gateway's public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly meters: readonly MeterRecord[];
}

export interface SignedHome {
  readonly entries: readonly SignedByOperator[];
  /** What the gateway's first frame names as previous: the leaf hash of its device entry. */
  readonly firstPrevious: Uint8Array;
}

/** Signs a home's entries, from the operator's next number on. */
export function signHome(plan: HomePlan, signing: Signing): SignedHome {
  const { hasher } = signing;
  const entries: SignedByOperator[] = [];
  let number = signing.nextNumber;
  if (plan.isNewMember) {
    const { member, memberClass, name } = plan;
    const party = encodePartyFields({ number, member, memberClass, ...(name !== undefined && { name }) });
    entries.push({ kind: KIND.party, cose: sealAsOperator(party, signing) });
    number += 1;
  }
  const { publicKey: key, home, member, meters } = plan;
  const fields = { number, kid: keyId(hasher, key), key, home, member, meters };
  const cose = sealAsOperator(encodeDeviceFields(hasher, fields), signing);
  entries.push({ kind: KIND.device, cose });
  return { entries, firstPrevious: leafHash(hasher, signedEntry(KIND.device, cose)) };
}

/** Agrees to the new epoch that a forked gateway asked for: signs the hash of its request (LOG 5.4). */
export function signEpochApproval(request: Uint8Array, signing: Signing): SignedByOperator {
  const { nextNumber: number, hasher } = signing;
  const payload = encodeEpochApprovalFields({ number, requestHash: hasher.sha256(request) });
  return { kind: KIND.gatewayEpoch, cose: sealAsOperator(payload, signing) };
}

/** Ends a device's key for good (LOG 5.3). */
export function signRevocation(kid: Uint8Array, signing: Signing): SignedByOperator {
  const payload = encodeDeviceRevokedFields({ number: signing.nextNumber, kid });
  return { kind: KIND.deviceRevoked, cose: sealAsOperator(payload, signing) };
}

function sealAsOperator(payload: Uint8Array, { origin, operator, hasher }: Signing): Uint8Array {
  return sealEntry({ payload, origin, signer: operator, hasher });
}

/** The file that a gateway starts with. */
export interface GatewayFile {
  readonly version: 1;
  readonly community: string;
  readonly origin: string;
  readonly gateway: string;
  readonly member: string;
  readonly mqtt: string;
  readonly log_key: string;
  readonly answer_key: string;
  readonly first_previous: string;
  readonly interval_s: number;
  readonly poll_s: number;
  readonly seal: 'edge';
  readonly meters: readonly GatewayFileMeter[];
}

export interface MeterPlace {
  readonly profile: string;
  readonly host: string;
  readonly port: number;
  readonly unit: number;
}

export interface GatewayFileMeter extends MeterPlace {
  readonly index: number;
  readonly id: string;
  readonly generation: number;
  readonly channels: readonly { quantity: number; exponent: number; width_bits: number; limit_w: number }[];
}

export function gatewayFile(input: {
  readonly community: string;
  readonly origin: string;
  readonly logKey: string;
  readonly answerKey: string;
  readonly intervalS: number;
  readonly pollS: number;
  readonly mqtt: string;
  readonly plan: HomePlan;
  readonly firstPrevious: Uint8Array;
  /** One for each meter, in the same order. */
  readonly places: readonly MeterPlace[];
}): GatewayFile {
  const { plan, places } = input;
  return {
    version: 1,
    community: input.community,
    origin: input.origin,
    gateway: plan.home,
    member: plan.member,
    mqtt: input.mqtt,
    log_key: input.logKey,
    answer_key: input.answerKey,
    first_previous: toHex(input.firstPrevious),
    interval_s: input.intervalS,
    poll_s: input.pollS,
    seal: 'edge',
    meters: plan.meters.map((meter, i) => {
      const place = places[i];
      if (place === undefined) throw new LedgerError('invariant', `meter ${meter.id} has no place`);
      return { index: meter.index, id: meter.id, ...place, generation: meter.generation, channels: channelsOf(meter) };
    }),
  };
}

function channelsOf({ channels }: MeterRecord): GatewayFileMeter['channels'] {
  return channels.map(({ quantity, exponent, widthBits, limitW }) => ({
    quantity,
    exponent,
    width_bits: widthBits,
    limit_w: limitW,
  }));
}
