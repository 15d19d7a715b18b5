import { createHash } from 'node:crypto';
import { encode } from 'cborg';
import type { MemberBalance } from './co-op.js';

/**
 * The root of balances by which two runs are compared (LOG 8.1), from what `commonwatt balances` prints: SHA-256 over the
 * CBOR of [account, micro-credits, mWh], accounts of nothing left out, in the order of the ids' bytes.
 */
export function balancesRoot(balances: readonly MemberBalance[]): string {
  const accounts = balances
    .map(({ member, credits, energy_kwh: energy }) => [member, millionths(credits), millionths(energy)] as const)
    .filter(([, micro, mwh]) => micro !== 0n || mwh !== 0n)
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return createHash('sha256').update(encode(accounts)).digest('hex');
}

/** A decimal with six places as a whole number. */
function millionths(decimal: string): bigint {
  const match = /^(-?)(\d+)\.(\d{6})$/.exec(decimal);
  if (match === null) throw new Error(`expected a decimal with six places, got ${decimal}`);
  const value = BigInt(match[2]! + match[3]!);
  return match[1] === '-' ? -value : value;
}
