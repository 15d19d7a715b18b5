/** Kind 9 (LOG 5.9, 6): one version of one interval. A public shell without figures; vector and totals beside it. */
import { type CborKey, type CborValue, cborMap, encodeCbor, type MilliwattHours } from '@commonwatt/firmware-protocol';
import { ENTRY_VERSION, encodeEntry, KIND } from '@commonwatt/firmware-protocol/log';
import { asArray, asFields, asHash, asId, asMicro, asOneOf, asUint, badEntry, decode, fromMicro } from './fields.js';
import { asIntervalStart } from './rules.js';

/** 0 measured, 1 interpolated, 2 shaped, 3 estimated, 4 missing, 5 disputed: worst last. */
export type Quality = 0 | 1 | 2 | 3 | 4 | 5;

/** Why this version was made (LOG 6.4). */
export const SETTLEMENT_REASON = { complete: 1, timeout: 2, late: 3, correction: 4, rules: 5, grace: 6 } as const;
export type SettlementReason = (typeof SETTLEMENT_REASON)[keyof typeof SETTLEMENT_REASON];

export interface SettlementShell {
  /** Interval start, UTC seconds. */
  readonly startS: number;
  readonly version: number;
  readonly reason: SettlementReason;
  readonly rulesIndex: number;
  /** Index of the entry with the version before; none for version 1. */
  readonly previousIndex?: number;
  readonly vectorCommitment: Uint8Array;
  readonly totalsCommitment: Uint8Array;
  readonly final: boolean;
}

/** One line of a settlement's vector (LOG 6.2). */
export interface SettlementLine {
  readonly member: string;
  /** '' when the member is the unit. */
  readonly meter: string;
  readonly needMwh: MilliwattHours;
  readonly offerMwh: MilliwattHours;
  readonly receivedMwh: MilliwattHours;
  readonly deliveredMwh: MilliwattHours;
  /** Share as producer minus amount as consumer. */
  readonly amountMicro: bigint;
  readonly quality: Quality;
}

export interface SettlementTotals {
  /** Number of lines. */
  readonly units: number;
  readonly needMwh: MilliwattHours;
  readonly offerMwh: MilliwattHours;
  readonly sharedMwh: MilliwattHours;
  /** Sum of the consumers' amounts. */
  readonly paidMicro: bigint;
  readonly levyMicro: bigint;
}

/** Leaf data of a settlement. */
export function encodeSettlement(shell: SettlementShell): Uint8Array {
  return encodeEntry(KIND.settlement, ENTRY_VERSION, encodeSettlementBody(shell));
}

/** The body of a settlement entry. Throws `bad-entry` for what could not be read back. */
export function encodeSettlementBody(shell: SettlementShell): Map<CborKey, CborValue> {
  const body = cborMap([
    [1, shell.startS],
    [2, shell.version],
    [3, shell.reason],
    [4, shell.rulesIndex],
    [5, shell.previousIndex],
    [6, shell.vectorCommitment],
    [7, shell.totalsCommitment],
    [8, shell.final ? 1 : undefined],
  ]);
  parseSettlement(body);
  return body;
}

/** Untrusted: the body of a settlement entry. */
export function parseSettlement(body: ReadonlyMap<CborKey, CborValue>): SettlementShell {
  const fields = asFields(body as CborValue, 'settlement', { required: [1, 2, 3, 4, 6, 7], optional: [5, 8] });
  const version = asUint(fields.get(2), 'settlement: version', { min: 1 });
  const reason = asOneOf(fields.get(3), 'settlement: reason', [1, 2, 3, 4, 5, 6]);
  const final = fields.has(8) && asOneOf(fields.get(8), 'settlement: final', [1]) === 1;
  checkReason(version, reason, final);
  if (fields.has(5) !== version > 1) throw badEntry('settlement: version before', 'it from version 2 on', version);
  return {
    startS: asIntervalStart(fields.get(1), 'settlement: interval start'),
    version,
    reason,
    rulesIndex: asUint(fields.get(4), 'settlement: rules'),
    ...(fields.has(5) && { previousIndex: asUint(fields.get(5), 'settlement: version before') }),
    vectorCommitment: asHash(fields.get(6), 'settlement: commitment of the vector'),
    totalsCommitment: asHash(fields.get(7), 'settlement: commitment of the totals'),
    final,
  };
}

// LOG 6.4: complete is version 1 only, grace never is; both are final.
function checkReason(version: number, reason: SettlementReason, final: boolean): void {
  const { complete, grace } = SETTLEMENT_REASON;
  if (reason === complete && version !== 1) throw badEntry('settlement: complete', 'version 1', version);
  if (reason === grace && version === 1) throw badEntry('settlement: grace', 'a later version', version);
  if ((reason === complete || reason === grace) && !final) {
    throw badEntry(`settlement: reason ${reason}`, 'a final version', 'one that is not');
  }
}

/** A line as it stands in the vector, and again in the member's seal leaf (LOG 7.2). */
export function lineItem(line: SettlementLine): CborValue[] {
  const { member, meter, needMwh, offerMwh, receivedMwh, deliveredMwh, amountMicro, quality } = line;
  const amount = fromMicro(amountMicro, `line of ${member}`);
  return [member, meter, needMwh, offerMwh, receivedMwh, deliveredMwh, amount, quality];
}

/** Untrusted: a line on its own. */
export function parseLine(value: CborValue | undefined): SettlementLine {
  const [member, meter, need, offer, received, delivered, amount, quality] = asArray(value, 'line', 8);
  const needMwh = asMwh(need, 'line: need');
  const offerMwh = asMwh(offer, 'line: offer');
  return {
    member: asId(member, 'line: member'),
    meter: meter === '' ? '' : asId(meter, 'line: meter'),
    needMwh,
    offerMwh,
    receivedMwh: asMwh(received, 'line: received', needMwh),
    deliveredMwh: asMwh(delivered, 'line: delivered', offerMwh),
    amountMicro: asMicro(amount, 'line: micro-credits'),
    quality: asOneOf(quality, 'line: quality', [0, 1, 2, 3, 4, 5]),
  };
}

function asMwh(value: CborValue | undefined, what: string, max = Number.MAX_SAFE_INTEGER): MilliwattHours {
  return asUint(value, `${what} in mWh`, { max }) as MilliwattHours;
}

/** Totals with the version they belong to. */
export interface VersionTotals {
  readonly startS: number;
  readonly version: number;
  readonly totals: SettlementTotals;
}

/** Content of a settlement's totals. Throws `money-range`. */
export function encodeTotalsContent({ startS, version, totals }: VersionTotals): Uint8Array {
  const { units, needMwh, offerMwh, sharedMwh, paidMicro, levyMicro } = totals;
  const money = [fromMicro(paidMicro, 'paid'), fromMicro(levyMicro, 'levy')];
  return encodeCbor([startS, version, units, needMwh, offerMwh, sharedMwh, ...money]);
}

/** Untrusted: opened totals. */
export function parseTotalsContent(content: Uint8Array): VersionTotals {
  const items = asArray(decode(content, 'totals'), 'totals', 8);
  const needMwh = asMwh(items[3], 'totals: need');
  const offerMwh = asMwh(items[4], 'totals: offer');
  const paidMicro = asMicro(items[6], 'totals: paid');
  const levyMicro = asMicro(items[7], 'totals: levy');
  if (levyMicro < 0n || levyMicro > paidMicro) throw badEntry('totals: levy', '0 to what was paid', levyMicro);
  return {
    startS: asIntervalStart(items[0], 'totals: interval start'),
    version: asUint(items[1], 'totals: version', { min: 1 }),
    totals: {
      units: asUint(items[2], 'totals: units'),
      needMwh,
      offerMwh,
      sharedMwh: asMwh(items[5], 'totals: shared', Math.min(needMwh, offerMwh)),
      paidMicro,
      levyMicro,
    },
  };
}
