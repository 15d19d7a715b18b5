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

function lineAt(lines: LineColumns, i: number): SettlementLine {
  return {
    member: lines.units.members[i]!,
    meter: lines.units.meters[i]!,
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
  const amounts = new AmountReader(lines.length);
  for (const { member, amountMicro } of lines) amounts.push(fromMicro(amountMicro, `line of ${member}`));
  return {
    units: new UnitNames(lines),
    needMwh: Float64Array.from(lines, ({ needMwh }) => needMwh),
    offerMwh: Float64Array.from(lines, ({ offerMwh }) => offerMwh),
    receivedMwh: Float64Array.from(lines, ({ receivedMwh }) => receivedMwh),
    deliveredMwh: Float64Array.from(lines, ({ deliveredMwh }) => deliveredMwh),
    amountMicro: amounts.column(),
    quality: Uint8Array.from(lines, ({ quality }) => quality),
  };
}

/** A column of amounts that come one by one: numbers as long as all of them together are a safe integer. */
export class AmountReader {
  readonly #numbers: Float64Array;
  #exact: BigInt64Array | undefined;
  #together = 0;
  #count = 0;

  constructor(count: number) {
    this.#numbers = new Float64Array(count);
  }

  /** 64 bits with a sign. */
  push(amountMicro: number | bigint): void {
    const amount = Number(amountMicro);
    this.#together += Math.abs(amount);
    if (this.#exact === undefined && this.#together > Number.MAX_SAFE_INTEGER) {
      this.#exact = BigInt64Array.from(this.#numbers, BigInt);
    }
    if (this.#exact !== undefined) this.#exact[this.#count] = BigInt(amountMicro);
    else this.#numbers[this.#count] = amount;
    this.#count += 1;
  }

  column(): AmountColumn {
    return this.#exact ?? this.#numbers;
  }
}
