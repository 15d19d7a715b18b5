/** Balances while versions are booked one after the other: kept in numbers, and put into the rows once. */
import type { MicroCredits } from '@commonwatt/firmware-protocol';
import { LedgerError } from './errors.js';
import type { Posting } from './postings.js';
import type { UnitNames } from './records/index.js';
import { MAX_AMOUNT_MICRO } from './settlement.js';
import type { Rows } from './working-set.js';

/** A balance below this stays within 63 bits whatever safe integer is added to it. */
const NEAR_MICRO = 2n ** 62n;

/** One account: what its row had, and what was booked on it since. */
interface Account {
  readonly member: string;
  amountMicro: bigint;
  /** A safe integer that is still to be added to `amountMicro`. */
  addedMicro: number;
  energyMwh: number;
  isBooked: boolean;
}

export class Balances {
  readonly #rows: Rows;
  readonly #accounts = new Map<string, Account>();
  /** Accounts by the list that a posting names them by: the same one for every interval of a street. */
  readonly #lists = new WeakMap<UnitNames, readonly Account[]>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  /** Throws LedgerError `money-range` where a balance would pass 63 bits of credits or 2^53 - 1 mWh. Books nothing. */
  check({ accounts, amountMicro, energyMwh }: Posting): void {
    const list = this.#listOf(accounts);
    for (let i = 0; i < list.length; i++) {
      if (amountMicro[i] || energyMwh[i]) checkAccount(list[i]!, amountMicro[i]!, energyMwh[i]!);
    }
  }

  /** Wants a posting that was checked. */
  book({ accounts, amountMicro, energyMwh }: Posting): void {
    const list = this.#listOf(accounts);
    for (let i = 0; i < list.length; i++) {
      if (amountMicro[i] || energyMwh[i]) addTo(list[i]!, amountMicro[i]!, energyMwh[i]!);
    }
  }

  /** Puts the balances that changed into the rows. */
  put(): void {
    for (const account of this.#accounts.values()) {
      if (!account.isBooked) continue;
      settleUp(account);
      account.isBooked = false;
      const { member, amountMicro, energyMwh } = account;
      this.#rows.put('balance', member, { amountMicro: amountMicro as MicroCredits, energyMwh });
    }
  }

  #listOf(names: UnitNames): readonly Account[] {
    let list = this.#lists.get(names);
    if (list === undefined) {
      list = names.members.map((member) => this.#accountOf(member));
      this.#lists.set(names, list);
    }
    return list;
  }

  #accountOf(member: string): Account {
    let account = this.#accounts.get(member);
    if (account === undefined) {
      const { amountMicro, energyMwh } = this.#rows.get('balance', member) ?? { amountMicro: 0n, energyMwh: 0 };
      account = { member, amountMicro, addedMicro: 0, energyMwh, isBooked: false };
      this.#accounts.set(member, account);
    }
    return account;
  }
}

function checkAccount(account: Account, amountMicro: number | bigint, energyMwh: number): void {
  const isNear = account.amountMicro < NEAR_MICRO && account.amountMicro > -NEAR_MICRO;
  const fits =
    isNear && typeof amountMicro === 'number' && Number.isSafeInteger(account.addedMicro + amountMicro)
      ? true
      : isWithin63Bits(account.amountMicro + BigInt(account.addedMicro) + BigInt(amountMicro));
  if (fits && Number.isSafeInteger(account.energyMwh + energyMwh)) return;
  const got = `${account.amountMicro + BigInt(account.addedMicro) + BigInt(amountMicro)} micro-credits`;
  throw new LedgerError(
    'money-range',
    `balance of ${account.member}: expected at most 63 and 53 bits, got ${got} and ${account.energyMwh + energyMwh} mWh`,
  );
}

function isWithin63Bits(amountMicro: bigint): boolean {
  return amountMicro <= MAX_AMOUNT_MICRO && amountMicro >= -MAX_AMOUNT_MICRO;
}

function addTo(account: Account, amountMicro: number | bigint, energyMwh: number): void {
  account.isBooked = true;
  account.energyMwh += energyMwh;
  if (typeof amountMicro === 'bigint') account.amountMicro += amountMicro;
  else if (Number.isSafeInteger(account.addedMicro + amountMicro)) account.addedMicro += amountMicro;
  else {
    settleUp(account);
    account.amountMicro += BigInt(amountMicro);
  }
}

function settleUp(account: Account): void {
  account.amountMicro += BigInt(account.addedMicro);
  account.addedMicro = 0;
}
