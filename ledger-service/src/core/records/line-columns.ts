/**
 * The lines of one version as columns. A street of 300 homes makes ten million lines a year: as objects each costs more
 * than everything that is computed with it.
 */
import type { MilliwattHours } from '@commonwatt/firmware-protocol';
import { fromMicro } from './fields.js';
import type { Quality, SettlementLine } from './settlement.js';
import { UnitNames } from './unit-names.js';

/** Micro-credits: numbers while all of them together are a safe integer, else 64 bits. */
export type AmountColumn = Float64Array | BigInt64Array;

/** The i-th of each column belongs to the i-th unit. Energies in mWh, whole and safe. */
export interface LineColumns {
  readonly units: UnitNames;
  readonly needMwh: Float64Array;
  readonly offerMwh: Float64Array;
  readonly receivedMwh: Float64Array;
  readonly deliveredMwh: Float64Array;
  /** Share as producer minus amount as consumer. */
  readonly amountMicro: AmountColumn;
  readonly quality: Uint8Array;
}

export function lineAt(lines: LineColumns, i: number): SettlementLine {
  return {
    ...lines.units.at(i),
    needMwh: lines.needMwh[i]! as MilliwattHours,
    offerMwh: lines.offerMwh[i]! as MilliwattHours,
    receivedMwh: lines.receivedMwh[i]! as MilliwattHours,
    deliveredMwh: lines.deliveredMwh[i]! as MilliwattHours,
    amountMicro: BigInt(lines.amountMicro[i]!),
    quality: lines.quality[i]! as Quality,
  };
}

export function linesOf(lines: LineColumns): SettlementLine[] {
  return Array.from({ length: lines.units.length }, (_, i) => lineAt(lines, i));
}

/** Throws LedgerError `bad-entry` for lines out of order, `money-range` for an amount beyond 64 bits. */
export function lineColumns(lines: readonly SettlementLine[]): LineColumns {
  const amounts = lines.map(({ member, amountMicro }) => fromMicro(amountMicro, `line of ${member}`));
  return {
    units: new UnitNames(lines),
    needMwh: Float64Array.from(lines, ({ needMwh }) => needMwh),
    offerMwh: Float64Array.from(lines, ({ offerMwh }) => offerMwh),
    receivedMwh: Float64Array.from(lines, ({ receivedMwh }) => receivedMwh),
    deliveredMwh: Float64Array.from(lines, ({ deliveredMwh }) => deliveredMwh),
    amountMicro: amountColumn(amounts),
    quality: Uint8Array.from(lines, ({ quality }) => quality),
  };
}

function amountColumn(amountsMicro: readonly bigint[]): AmountColumn {
  let together = 0n;
  for (const amountMicro of amountsMicro) together += amountMicro < 0n ? -amountMicro : amountMicro;
  if (together > BigInt(Number.MAX_SAFE_INTEGER)) return BigInt64Array.from(amountsMicro);
  return Float64Array.from(amountsMicro, Number);
}
