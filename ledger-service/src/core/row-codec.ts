/** Rows to what a store keeps and back. The text is canonical (fixed field order), so that ordered dumps can be hashed. */
import { fromHex, microCredits, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import { MeterDay } from './intervals/meter-day.js';
import type { BalanceRow, RowTable, RowTypes, RowValue, SequenceRow } from './rows.js';
import { decodeSequence, encodeSequence } from './sequence-codec.js';

/** Tables whose rows are bytes to everybody. */
const BYTE_TABLES: ReadonlySet<RowTable> = new Set<RowTable>(['tile', 'opening', 'posting', 'frame']);

/** Bytes and money inside JSON carry a mark, since JSON knows neither. */
function toJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $n: value.toString() };
  if (value instanceof Uint8Array) return { $b: toHex(value) };
  return value;
}

function fromJson(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('$n' in value && typeof value.$n === 'string') return microCredits(BigInt(value.$n));
  if ('$b' in value && typeof value.$b === 'string') return fromHex(value.$b);
  return value;
}

/** Rows of these hold neither bytes nor money, and are many: JSON is written several times as fast when nothing is marked. */
const PLAIN: ReadonlySet<RowTable> = new Set<RowTable>(['channel', 'interval', 'due', 'unsealed', 'settlement']);

/** Rows are built by literals with their fields in one order, so JSON.stringify is canonical for them. */
export function encodeRow<T extends RowTable>(table: T, row: RowTypes[T]): RowValue {
  if (PLAIN.has(table)) return JSON.stringify(row);
  if (table === 'sequence') return encodeSequence(row as SequenceRow);
  if (table === 'balance') return encodeBalance(row as BalanceRow);
  if (BYTE_TABLES.has(table)) return row as Uint8Array;
  if (table === 'readings') return (row as MeterDay).bytes();
  return JSON.stringify(row, toJson);
}

/** Throws 'invariant' when the stored value is not one this code wrote. */
export function decodeRow<T extends RowTable>(table: T, value: RowValue): RowTypes[T] {
  if (BYTE_TABLES.has(table)) return bytesOf(table, value) as RowTypes[T];
  if (table === 'sequence') return decodeSequence(bytesOf(table, value)) as RowTypes[T];
  if (table === 'readings') return MeterDay.decode(bytesOf(table, value)) as RowTypes[T];
  if (typeof value !== 'string') throw damaged(table, 'text', 'bytes');
  try {
    return JSON.parse(value, fromJson) as RowTypes[T];
  } catch (cause) {
    throw new LedgerError('invariant', `a row of ${table} is not JSON: rebuild the projections`, { cause });
  }
}

/** Each share of settlements writes one for every member; the same text as by marking. */
function encodeBalance({ amountMicro, energyMwh }: BalanceRow): string {
  return `{"amountMicro":{"$n":"${amountMicro}"},"energyMwh":${energyMwh}}`;
}

function bytesOf(table: RowTable, value: RowValue): Uint8Array {
  if (typeof value === 'string') throw damaged(table, 'bytes', 'text');
  return value;
}

function damaged(table: RowTable, expected: string, got: string): LedgerError {
  return new LedgerError('invariant', `a row of ${table}: expected ${expected}, got ${got}; rebuild the projections`);
}
