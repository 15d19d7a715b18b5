/**
 * Double entry in credits and in energy. Nothing is overwritten: a later version of a settlement books the difference to
 * the version before, so that the sum of all postings of an interval is always its newest version.
 */
import { LedgerError } from './errors.js';
import { type LineColumns, mergeNames, type SettlementTotals, UnitNames } from './records/index.js';

/**
 * What a version books on each account; one with two zeros is not booked on. Credits: plus is owed to the member. Energy:
 * delivered minus received, mWh. Both sum to zero.
 */
export interface Posting {
  /** Members, by their ids' bytes. */
  readonly accounts: UnitNames;
  /** Numbers where every sum of them is a safe integer, bigints where it may not be. */
  readonly amountMicro: Float64Array | readonly bigint[];
  readonly energyMwh: Float64Array;
}

export interface Difference {
  readonly lines: LineColumns;
  readonly totals: SettlementTotals;
  /** The version before; absent for version 1. */
  readonly before?: { readonly lines: LineColumns; readonly totals: SettlementTotals } | undefined;
  /** The account that the levy goes to; it may have lines of its own. */
  readonly commonsMember: string;
}

/**
 * What a version books. Accounts are members; lines of several meters of one member come together. Credits and energy sum
 * to zero, else LedgerError `invariant`.
 */
export function postingOfDifference({ lines, totals, before, commonsMember }: Difference): Posting {
  const places = placesOf(lines.units, before?.lines.units, commonsMember);
  const sums = { places, levyMicro: totals.levyMicro - (before?.totals.levyMicro ?? 0n) };
  const energyMwh = energyOf(lines, before?.lines, places);
  const amountMicro =
    areSmall(lines, totals) && (before === undefined || areSmall(before.lines, before.totals))
      ? amountsInNumbers(lines, before?.lines, sums)
      : amountsExactly(lines, before?.lines, sums);
  checkBalanced(amountMicro, energyMwh);
  return { accounts: places.accounts, amountMicro, energyMwh };
}

/** The posting of a version with the lines of the one before. */
export function emptyPosting(): Posting {
  return { accounts: new UnitNames([]), amountMicro: new Float64Array(), energyMwh: new Float64Array() };
}

/** Where each unit's account stands among the accounts. */
interface Places {
  readonly accounts: UnitNames;
  readonly ofLines: Uint32Array;
  readonly ofBefore: Uint32Array;
  readonly commons: number;
}

interface KnownPlaces {
  readonly before: UnitNames | undefined;
  readonly commonsMember: string;
  readonly places: Places;
}

/** A street's units are those of the interval before: the newest answer of each is kept with them. */
const KNOWN = new WeakMap<UnitNames, KnownPlaces>();

function placesOf(lines: UnitNames, before: UnitNames | undefined, commonsMember: string): Places {
  const known = KNOWN.get(lines);
  if (known?.commonsMember === commonsMember && known.before === before) return known.places;
  const places = findPlaces(lines, before, commonsMember);
  KNOWN.set(lines, { before, commonsMember, places });
  return places;
}

function findPlaces(lines: UnitNames, before: UnitNames | undefined, commonsMember: string): Places {
  const owners = lines.owners();
  const ownersBefore = before === undefined || before === lines ? owners : before.owners();
  const members = mergeNames(owners.names, ownersBefore.names);
  const all = mergeNames(members.names, new UnitNames([{ member: commonsMember, meter: '' }]));
  return {
    accounts: all.names,
    ofLines: owners.of.map((owner) => all.ofFirst[members.ofFirst[owner]!]!),
    ofBefore: ownersBefore.of.map((owner) => all.ofFirst[members.ofSecond[owner]!]!),
    commons: all.ofSecond[0]!,
  };
}

/** Every sum of these amounts, and of as many again, is a safe integer. */
function areSmall({ amountMicro }: LineColumns, { paidMicro }: SettlementTotals): boolean {
  return amountMicro instanceof Float64Array && paidMicro <= BigInt(Number.MAX_SAFE_INTEGER) / 4n;
}

function energyOf(lines: LineColumns, before: LineColumns | undefined, places: Places): Float64Array {
  const energyMwh = new Float64Array(places.accounts.length);
  addEnergy(energyMwh, lines, places.ofLines, 1);
  if (before !== undefined) addEnergy(energyMwh, before, places.ofBefore, -1);
  return energyMwh;
}

function addEnergy(sums: Float64Array, { deliveredMwh, receivedMwh }: LineColumns, of: Uint32Array, sign: 1 | -1) {
  for (let i = 0; i < of.length; i++) sums[of[i]!]! += sign * (deliveredMwh[i]! - receivedMwh[i]!);
}

interface AmountSums {
  readonly places: Places;
  readonly levyMicro: bigint;
}

function amountsInNumbers(
  lines: LineColumns,
  before: LineColumns | undefined,
  { places, levyMicro }: AmountSums,
): Float64Array {
  const sums = new Float64Array(places.accounts.length);
  sums[places.commons] = Number(levyMicro);
  addAmounts(sums, lines.amountMicro as Float64Array, places.ofLines, 1);
  if (before !== undefined) addAmounts(sums, before.amountMicro as Float64Array, places.ofBefore, -1);
  return sums;
}

function addAmounts(sums: Float64Array, amountMicro: Float64Array, of: Uint32Array, sign: 1 | -1): void {
  for (let i = 0; i < of.length; i++) sums[of[i]!]! += sign * amountMicro[i]!;
}

function amountsExactly(
  lines: LineColumns,
  before: LineColumns | undefined,
  { places, levyMicro }: AmountSums,
): bigint[] {
  const sums = new Array<bigint>(places.accounts.length).fill(0n);
  sums[places.commons] = levyMicro;
  places.ofLines.forEach((place, i) => {
    sums[place]! += BigInt(lines.amountMicro[i]!);
  });
  if (before === undefined) return sums;
  places.ofBefore.forEach((place, i) => {
    sums[place]! -= BigInt(before.amountMicro[i]!);
  });
  return sums;
}

function checkBalanced(amountMicro: Posting['amountMicro'], energyMwh: Float64Array): void {
  const credits = sumExactly(amountMicro);
  const energy = sumExactly(energyMwh);
  if (credits === 0n && energy === 0n) return;
  const got = `${credits} micro-credits and ${energy} mWh`;
  throw new LedgerError('invariant', `posting: expected legs that sum to zero, got ${got}`);
}

/** By bigint only where a partial sum passes 2^53. */
function sumExactly(values: Float64Array | readonly bigint[]): bigint {
  let sum = 0;
  let passed = 0n;
  for (const value of values) {
    if (typeof value === 'bigint') passed += value;
    else if (Number.isSafeInteger(sum + value)) sum += value;
    else passed += BigInt(value);
  }
  return passed + BigInt(sum);
}
