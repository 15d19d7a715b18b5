/** Rows to what a store keeps and back. The text is canonical (fixed field order), so that ordered dumps can be hashed. */
import { fromHex, microCredits, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import { decodeReadings, encodeReadings } from './intervals/readings-codec.js';
import type { PostingRow, RowTable, RowTypes, RowValue, StoredReading } from './rows.js';

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

/** Rows are built by literals with their fields in one order, so JSON.stringify is canonical for them. */
export function encodeRow<T extends RowTable>(table: T, row: RowTypes[T]): RowValue {
  if (table === 'tile' || table === 'opening') return row as Uint8Array;
  if (table === 'readings') return encodeReadings(row as readonly StoredReading[]);
  if (table === 'posting') return encodePosting(row as PostingRow);
  return JSON.stringify(row, toJson);
}

/** Throws 'invariant' when the stored value is not one this code wrote. */
export function decodeRow<T extends RowTable>(table: T, value: RowValue): RowTypes[T] {
  if (table === 'tile' || table === 'opening') return bytesOf(table, value) as RowTypes[T];
  if (table === 'readings') return decodeReadings(bytesOf(table, value)) as RowTypes[T];
  if (typeof value !== 'string') throw damaged(table, 'text', 'bytes');
  if (table === 'posting') return decodePosting(value) as RowTypes[T];
  try {
    return JSON.parse(value, fromJson) as RowTypes[T];
  } catch (cause) {
    throw new LedgerError('invariant', `a row of ${table} is not JSON: rebuild the projections`, { cause });
  }
}

/** Start and version, then account, micro-credits and mWh of each leg: no id holds a space. One row has a leg a member. */
function encodePosting({ startS, version, legs }: PostingRow): string {
  let text = `${startS} ${version}`;
  for (const { account, amountMicro, energyMwh } of legs) text += ` ${account} ${amountMicro} ${energyMwh}`;
  return text;
}

function decodePosting(text: string): PostingRow {
  const [startS, version, ...fields] = text.split(' ');
  if (fields.length % 3 !== 0) throw new LedgerError('invariant', 'a posting is cut short: rebuild the projections');
  const legs: PostingRow['legs'][number][] = [];
  for (let i = 0; i < fields.length; i += 3) {
    const amountMicro = microCredits(BigInt(fields[i + 1]!));
    legs.push({ account: fields[i]!, amountMicro, energyMwh: Number(fields[i + 2]) });
  }
  return { startS: Number(startS), version: Number(version), legs };
}

function bytesOf(table: RowTable, value: RowValue): Uint8Array {
  if (typeof value === 'string') throw damaged(table, 'bytes', 'text');
  return value;
}

function damaged(table: RowTable, expected: string, got: string): LedgerError {
  return new LedgerError('invariant', `a row of ${table}: expected ${expected}, got ${got}; rebuild the projections`);
}
