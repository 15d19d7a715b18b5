/** The row of a posting: a flat list in CBOR, `[start, version, account, micro-credits, mWh, account, ...]`. */
import { type CborValue, CborWriter, decodeCbor, type MicroCredits } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import type { Posting } from './postings.js';
import { MAX_INTEGER_BYTES, putInteger } from './put-cbor.js';
import { MAX_CONTENT_BYTES } from './records/index.js';

const LEG_FIELDS = 3;
const MAX_HEAD_BYTES = 32;

/** One account's side of a posting. Credits: plus is owed to the member. Energy: delivered minus received, mWh. */
export interface Leg {
  readonly account: string;
  readonly amountMicro: MicroCredits;
  readonly energyMwh: number;
}

/** What one version booked. */
export interface BookedPosting {
  /** Start of the interval, UTC seconds. */
  readonly startS: number;
  readonly version: number;
  /** By their accounts' bytes; none has two zeros. Sums are zero. */
  readonly legs: readonly Leg[];
}

export function encodePosting({ startS, version }: Omit<BookedPosting, 'legs'>, posting: Posting): Uint8Array {
  const { accounts, amountMicro, energyMwh } = posting;
  const count = 2 + LEG_FIELDS * countLegs(posting);
  const head = new CborWriter(MAX_HEAD_BYTES).array(count).uint(startS).uint(version).finish();
  const { bytes: ids, ends } = accounts.ids();
  const out = new Uint8Array(head.length + ids.length + 2 * MAX_INTEGER_BYTES * accounts.length);
  out.set(head);
  let at = head.length;
  for (let i = 0, start = 0; i < accounts.length; start = ends[i]!, i++) {
    if (!amountMicro[i] && !energyMwh[i]) continue;
    for (let from = start; from < ends[i]!; from++) out[at++] = ids[from]!;
    at = putInteger(out, at, amountMicro[i]!);
    at = putInteger(out, at, energyMwh[i]!);
  }
  return out.slice(0, at);
}

function countLegs({ accounts, amountMicro, energyMwh }: Posting): number {
  let count = 0;
  for (let i = 0; i < accounts.length; i++) if (amountMicro[i] || energyMwh[i]) count += 1;
  return count;
}

/** Throws 'invariant' for bytes that `encodePosting` did not write. */
export function decodePosting(row: Uint8Array): BookedPosting {
  const [startS, version, ...fields] = itemsOf(row);
  const legs: Leg[] = [];
  for (let i = 0; i < fields.length; i += LEG_FIELDS) {
    const [account, amountMicro, energyMwh] = fields.slice(i, i + LEG_FIELDS);
    if (typeof account !== 'string' || typeof energyMwh !== 'number') throw damaged();
    if (typeof amountMicro !== 'number' && typeof amountMicro !== 'bigint') throw damaged();
    legs.push({ account, amountMicro: BigInt(amountMicro) as MicroCredits, energyMwh });
  }
  if (typeof startS !== 'number' || typeof version !== 'number') throw damaged();
  return { startS, version, legs };
}

function itemsOf(row: Uint8Array): readonly CborValue[] {
  try {
    const items = decodeCbor(row, { maxBytes: MAX_CONTENT_BYTES, maxDepth: 2 });
    if (Array.isArray(items)) return items;
  } catch (cause) {
    throw damaged(cause);
  }
  throw damaged();
}

function damaged(cause?: unknown): LedgerError {
  return new LedgerError('invariant', 'a posting is damaged: rebuild the projections', { cause });
}
