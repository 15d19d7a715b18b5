/** Hashes that are computed and never logged: who wins a tie, and whether two runs agree (LOG 8). */
import { encodeCbor, type Hasher } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../errors.js';
import { compareIds, fromMicro } from './fields.js';

/** LOG 8.2: of units that tie, the one with the smallest hash comes first, compared as bytes. */
export function tieHash(
  hasher: Hasher,
  unit: { readonly community: string; readonly startS: number; readonly member: string; readonly meter: string },
): Uint8Array {
  return hasher.sha256(encodeCbor([unit.community, unit.startS, unit.member, unit.meter]));
}

export interface AccountBalance {
  /** A member's id. */
  readonly account: string;
  readonly amountMicro: bigint;
  /** Delivered minus received. */
  readonly energyMwh: number;
}

/** LOG 8.1: SHA-256 over all balances that are not zero, by account. Throws `invariant` for an account named twice. */
export function balancesRoot(hasher: Hasher, balances: Iterable<AccountBalance>): Uint8Array {
  const rows = [...balances]
    .filter(({ amountMicro, energyMwh }) => amountMicro !== 0n || energyMwh !== 0)
    .sort((a, b) => compareIds(a.account, b.account));
  for (let i = 1; i < rows.length; i += 1) {
    const account = rows[i]!.account;
    if (account === rows[i - 1]!.account) throw new LedgerError('invariant', `account ${account} has two balances`);
  }
  return hasher.sha256(
    encodeCbor(rows.map((row) => [row.account, fromMicro(row.amountMicro, row.account), row.energyMwh])),
  );
}
