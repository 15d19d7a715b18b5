/** The content of a settlement's vector (LOG 6.2): every line, full values. Most of what a settlement writes. */
import { CborWriter } from '@commonwatt/firmware-protocol';
import { MAX_INTEGER_BYTES, putInteger, putUnsigned } from '../put-cbor.js';
import { asUint, badEntry, MAX_CONTENT_BYTES } from './fields.js';
import { AmountReader, type LineColumns, linesOf } from './line-columns.js';
import { asIntervalStart } from './rules.js';
import type { SettlementLine } from './settlement.js';
import { LINE_FIELDS, UnitNames } from './unit-names.js';
import { NameReader, VectorReader } from './vector-reader.js';

export interface SettlementVector {
  readonly startS: number;
  readonly version: number;
  /** By member, then meter. */
  readonly lines: readonly SettlementLine[];
}

export interface VectorColumns {
  readonly startS: number;
  readonly version: number;
  readonly lines: LineColumns;
}

/** Five integers, and a quality of one byte. */
const MAX_FIGURES_BYTES = 5 * MAX_INTEGER_BYTES + 1;
const MAX_HEAD_BYTES = 32;
/** The shortest line: its list's head, an id of one byte, and eight more. */
const MIN_LINE_BYTES = 10;
const WORST_QUALITY = 5;

/**
 * Throws LedgerError `bad-entry` for an energy or a quality that could not be read back. Written straight into place: what
 * a general writer asks at each value is asked once here.
 */
export function encodeVectorContent({ startS, version, lines }: VectorColumns): Uint8Array {
  checkFigures(lines);
  const { units, needMwh, offerMwh, receivedMwh, deliveredMwh, amountMicro, quality } = lines;
  const head = new CborWriter(MAX_HEAD_BYTES).array(3).uint(startS).uint(version).array(units.length).finish();
  const { bytes: names, ends } = units.heads();
  const out = new Uint8Array(head.length + names.length + MAX_FIGURES_BYTES * units.length);
  out.set(head);
  let at = head.length;
  let from = 0;
  for (let i = 0; i < units.length; i++) {
    for (const end = ends[i]!; from < end; from++) out[at++] = names[from]!;
    at = putUnsigned(out, at, needMwh[i]!);
    at = putUnsigned(out, at, offerMwh[i]!);
    at = putUnsigned(out, at, receivedMwh[i]!);
    at = putUnsigned(out, at, deliveredMwh[i]!);
    at = putInteger(out, at, amountMicro[i]!);
    out[at++] = quality[i]!;
  }
  return out.slice(0, at);
}

function checkFigures({ units, needMwh, offerMwh, receivedMwh, deliveredMwh, quality }: LineColumns): void {
  for (let i = 0; i < units.length; i++) {
    const isWhole = Number.isSafeInteger(needMwh[i]) && Number.isSafeInteger(offerMwh[i]);
    const isShare = Number.isSafeInteger(receivedMwh[i]) && Number.isSafeInteger(deliveredMwh[i]);
    const isWithin = receivedMwh[i]! <= needMwh[i]! && deliveredMwh[i]! <= offerMwh[i]!;
    if (isWhole && isShare && isWithin && receivedMwh[i]! >= 0 && deliveredMwh[i]! >= 0 && quality[i]! <= WORST_QUALITY)
      continue;
    throw badEntry(`line of ${units.members[i]}`, 'whole mWh, no share beyond its need or offer', i);
  }
}

/** A vector as it was read, with where each line stood. */
export interface ReadVector extends VectorColumns {
  /** The i-th line ends before `ends[i + 1]` of the content; the first one begins at `ends[0]`. */
  readonly ends: Uint32Array;
}

/** Untrusted: an opened vector. `likely`: whom it names, most likely; knowing that saves reading the names. */
export function parseVectorColumns(content: Uint8Array, likely = new UnitNames([])): ReadVector {
  if (content.length > MAX_CONTENT_BYTES)
    throw badEntry('vector', `at most ${MAX_CONTENT_BYTES} bytes`, content.length);
  const reader = new VectorReader(content);
  if (reader.array() !== 3) throw badEntry('vector', 'a list of 3', 'another');
  const startS = asIntervalStart(reader.uint(), 'vector: interval start');
  const version = asUint(reader.uint(), 'vector: version', { min: 1 });
  const count = reader.array();
  if (count > reader.left / MIN_LINE_BYTES) throw badEntry('vector: lines', `${count} of them`, `${reader.left} bytes`);
  const ends = new Uint32Array(count + 1);
  const lines = readLines(reader, ends, likely);
  if (reader.left > 0) throw badEntry('vector', 'nothing behind the lines', `${reader.left} bytes`);
  return { startS, version, lines, ends };
}

function readLines(reader: VectorReader, ends: Uint32Array, likely: UnitNames): LineColumns {
  const count = ends.length - 1;
  ends[0] = reader.at;
  const names = new NameReader(reader, likely);
  const amounts = new AmountReader(count);
  const [needMwh, offerMwh] = [new Float64Array(count), new Float64Array(count)];
  const [receivedMwh, deliveredMwh] = [new Float64Array(count), new Float64Array(count)];
  const quality = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    names.next(LINE_FIELDS);
    needMwh[i] = reader.uint();
    offerMwh[i] = reader.uint();
    receivedMwh[i] = reader.uint();
    deliveredMwh[i] = reader.uint();
    amounts.push(reader.int64());
    const worst = reader.uint();
    if (worst > WORST_QUALITY) throw badEntry('vector: quality', `0 to ${WORST_QUALITY}`, worst);
    quality[i] = worst;
    ends[i + 1] = reader.at;
  }
  const units = names.names();
  const lines = { units, needMwh, offerMwh, receivedMwh, deliveredMwh, amountMicro: amounts.column(), quality };
  checkFigures(lines);
  return lines;
}

/** Untrusted: an opened vector, line by line. */
export function parseVectorContent(content: Uint8Array): SettlementVector {
  const { startS, version, lines } = parseVectorColumns(content);
  return { startS, version, lines: linesOf(lines) };
}

/** The same lines under another version: its content, without a look at the lines. Wants a vector that was parsed. */
export function vectorUnderVersion(content: Uint8Array, version: number): Uint8Array {
  const reader = new VectorReader(content);
  reader.array();
  const startS = reader.uint();
  reader.uint();
  const lines = content.subarray(reader.at);
  return new CborWriter(MAX_HEAD_BYTES + lines.length).array(3).uint(startS).uint(version).raw(lines).finish();
}
