/** The content of a settlement's vector (LOG 6.2): every line, full values. Most of what a settlement writes. */
import { CborWriter } from '@commonwatt/firmware-protocol';
import { MAX_INTEGER_BYTES, putInteger, putUnsigned } from '../put-cbor.js';
import { asArray, asUint, badEntry, checkRising, decode } from './fields.js';
import type { LineColumns } from './line-columns.js';
import { asIntervalStart } from './rules.js';
import { parseLine, type SettlementLine } from './settlement.js';
import { compareUnits } from './unit-names.js';

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
    if (isWhole && isShare && isWithin && receivedMwh[i]! >= 0 && deliveredMwh[i]! >= 0 && quality[i]! <= 5) continue;
    throw badEntry(`line of ${units.members[i]}`, 'whole mWh, no share beyond its need or offer', i);
  }
}

/** Untrusted: an opened vector. */
export function parseVectorContent(content: Uint8Array): SettlementVector {
  const [startS, version, items] = asArray(decode(content, 'vector'), 'vector', 3);
  const lines = asArray(items, 'vector: lines').map(parseLine);
  checkRising(lines, 'vector', compareUnits);
  return {
    startS: asIntervalStart(startS, 'vector: interval start'),
    version: asUint(version, 'vector: version', { min: 1 }),
    lines,
  };
}
