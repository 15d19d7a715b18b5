/** A second, naive implementation of the settlement in bigints and sorted objects: slow, obvious, and none of ours. */
import { createHash } from 'node:crypto';
import type { Hasher } from '@commonwatt/firmware-protocol';
import { compareBytes, encodeCbor } from '@commonwatt/firmware-protocol';
import type { RuleSettings, SettlementLine, SettlementTotals } from '../../src/core/records/index.js';
import type { MeterEnergy } from './meter-order.js';

export const nodeHasher: Hasher = {
  sha256: (...parts) => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

export function referenceSplit(total: bigint, weights: readonly bigint[], hashes: readonly Uint8Array[]): bigint[] {
  const sum = weights.reduce((a, b) => a + b, 0n);
  if (sum === 0n) return weights.map(() => 0n);
  const shares = weights.map((weight, i) => ({ part: (total * weight) / sum, rest: (total * weight) % sum, i }));
  const left = total - shares.reduce((a, { part }) => a + part, 0n);
  const order = [...shares].sort((a, b) => {
    if (a.rest !== b.rest) return a.rest > b.rest ? -1 : 1;
    return compareBytes(hashes[a.i]!, hashes[b.i]!);
  });
  for (const share of order.slice(0, Number(left))) share.part += 1n;
  return shares.map(({ part }) => part);
}

export interface ReferenceInput {
  community: string;
  startS: number;
  rules: RuleSettings;
  meters: readonly MeterEnergy[];
}

/** For complete meters, netting none or meter, or member with one meter a member. */
export function referenceSettlement({ community, startS, rules, meters }: ReferenceInput) {
  const units = meters.map(({ member, meter, importMwh = 0, exportMwh = 0 }) => {
    const need = rules.netting === 0 ? importMwh : Math.max(0, importMwh - exportMwh);
    const offer = rules.netting === 0 ? exportMwh : Math.max(0, exportMwh - importMwh);
    return { member, meter: rules.netting === 2 ? '' : meter, need: BigInt(need), offer: BigInt(offer) };
  });
  units.sort((a, b) => Buffer.compare(Buffer.from(a.member), Buffer.from(b.member)));
  const hashes = units.map(({ member, meter }) => nodeHasher.sha256(encodeCbor([community, startS, member, meter])));
  const needs = units.map(({ need }) => need);
  const offers = units.map(({ offer }) => offer);
  const sum = (values: readonly bigint[]) => values.reduce((a, b) => a + b, 0n);
  let shared = sum(needs);
  if (sum(offers) < shared) shared = sum(offers);
  const received = referenceSplit(shared, needs, hashes);
  const delivered = referenceSplit(shared, offers, hashes);
  const costs = received.map((mwh) => (mwh * BigInt(rules.priceMicroPerKwh) + 500_000n) / 1_000_000n);
  const paid = sum(costs);
  const levy = (paid * BigInt(rules.levyBasisPoints)) / 10_000n;
  const earned = referenceSplit(paid - levy, delivered, hashes);
  return {
    lines: units.map(({ member, meter, need, offer }, i) => [
      member,
      meter,
      Number(need),
      Number(offer),
      Number(received[i]),
      Number(delivered[i]),
      String(earned[i]! - costs[i]!),
      0,
    ]),
    totals: [units.length, Number(sum(needs)), Number(sum(offers)), Number(shared), String(paid), String(levy)],
    paid,
  };
}

export function lineRow(line: SettlementLine): (string | number)[] {
  const { member, meter, needMwh, offerMwh, receivedMwh, deliveredMwh, amountMicro, quality } = line;
  return [member, meter, needMwh, offerMwh, receivedMwh, deliveredMwh, String(amountMicro), quality];
}

export function totalsRow({ units, needMwh, offerMwh, sharedMwh, paidMicro, levyMicro }: SettlementTotals) {
  return [units, needMwh, offerMwh, sharedMwh, String(paidMicro), String(levyMicro)];
}
