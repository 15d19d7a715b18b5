/** Worked settlements as files: inputs, `desc`, and the lines, totals and postings expected. */
import { readFileSync } from 'node:fs';
import type { Hasher, MilliwattHours } from '@commonwatt/firmware-protocol';
import type { Quality, RuleSettings, SettlementLine, SettlementTotals } from '../../src/core/records/index.js';
import { type MeterEnergy, type MeterSettlement, settleMeters } from './meter-settlement.js';
import { nodeHasher } from './settlement-reference.js';

export const VECTOR_FOLDER = new URL('../../../tests/vectors/', import.meta.url);

/** `[member, meter, need, offer, received, delivered, micro-credits, quality]` */
export type LineRow = [string, string, number, number, number, number, string, Quality];

export interface TotalsRow {
  units: number;
  needMwh: number;
  offerMwh: number;
  sharedMwh: number;
  paidMicro: string;
  levyMicro: string;
}

export interface SettlementVector {
  desc: string;
  community: string;
  startS: number;
  rules: RuleSettings;
  meters: MeterEnergy[];
  previousLines?: LineRow[];
  previousTotals?: TotalsRow;
  commonsMember?: string;
  expect: { lines: LineRow[]; totals: TotalsRow; complete: boolean; postings?: [string, string, number][] };
}

export function readSettlementVector(file: string): SettlementVector {
  return JSON.parse(readFileSync(new URL(file, VECTOR_FOLDER), 'utf8')) as SettlementVector;
}

export function previousLinesOf({ previousLines }: SettlementVector): SettlementLine[] | undefined {
  return previousLines?.map(([member, meter, needMwh, offerMwh, receivedMwh, deliveredMwh, amount, quality]) => ({
    member,
    meter,
    needMwh: needMwh as MilliwattHours,
    offerMwh: offerMwh as MilliwattHours,
    receivedMwh: receivedMwh as MilliwattHours,
    deliveredMwh: deliveredMwh as MilliwattHours,
    amountMicro: BigInt(amount),
    quality,
  }));
}

export function totalsOf(row: TotalsRow): SettlementTotals {
  return {
    units: row.units,
    needMwh: row.needMwh as MilliwattHours,
    offerMwh: row.offerMwh as MilliwattHours,
    sharedMwh: row.sharedMwh as MilliwattHours,
    paidMicro: BigInt(row.paidMicro),
    levyMicro: BigInt(row.levyMicro),
  };
}

export function settleVector(vector: SettlementVector, hasher: Hasher = nodeHasher): MeterSettlement {
  const { community, startS, rules, meters } = vector;
  const previousLines = previousLinesOf(vector);
  return settleMeters({ community, startS, version: 1, rules, meters, previousLines, hasher });
}
