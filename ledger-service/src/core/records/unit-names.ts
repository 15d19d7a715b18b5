/** Who has lines in a settlement. The same street settles thousands of intervals, so what follows from names is made once. */
import { CborWriter } from '@commonwatt/firmware-protocol';
import { checkRising, compareIds } from './fields.js';

/** Who a line is for. The meter is '' where the member is the unit. */
export interface UnitName {
  readonly member: string;
  readonly meter: string;
}

/** Fields of a line in the vector (LOG 6.2). */
export const LINE_FIELDS = 8;

/** Bytes of each unit, one behind the other. */
export interface EncodedNames {
  readonly bytes: Uint8Array;
  /** Where the i-th ends. */
  readonly ends: Uint32Array;
}

/** The members of units, each once. */
export interface Owners {
  readonly names: UnitNames;
  /** By unit: its member's place in `names`. */
  readonly of: Uint32Array;
}

/** Units in the order of their ids' bytes, by member, then meter, each once. */
export class UnitNames {
  readonly members: readonly string[];
  readonly meters: readonly string[];
  #heads: EncodedNames | undefined;
  #ids: EncodedNames | undefined;
  #owners: Owners | undefined;

  /** Throws LedgerError `bad-entry` unless the names rise. */
  constructor(names: readonly UnitName[]) {
    checkRising(names, 'units', compareUnits);
    this.members = names.map(({ member }) => member);
    this.meters = names.map(({ meter }) => meter);
  }

  get length(): number {
    return this.members.length;
  }

  at(i: number): UnitName {
    return { member: this.members[i]!, meter: this.meters[i]! };
  }

  /** Of each line the bytes that never change: the array's head, member and meter. */
  heads(): EncodedNames {
    this.#heads ??= encodeEach(this, (writer, { member, meter }) => writer.array(LINE_FIELDS).text(member).text(meter));
    return this.#heads;
  }

  /** Of each unit the member as a text of CBOR. */
  ids(): EncodedNames {
    this.#ids ??= encodeEach(this, (writer, { member }) => writer.text(member));
    return this.#ids;
  }

  owners(): Owners {
    this.#owners ??= findOwners(this);
    return this.#owners;
  }
}

/** Ids are ASCII (PROTOCOL 1), so the order of a string's code units is the order of its bytes. */
export function compareUnits(a: UnitName, b: UnitName): number {
  return compareIds(a.member, b.member) || compareIds(a.meter, b.meter);
}

export interface MergedNames {
  readonly names: UnitNames;
  /** By place in the first and the second list: the place in `names`. */
  readonly ofFirst: Uint32Array;
  readonly ofSecond: Uint32Array;
}

/** Everybody of both lists; the first list itself where it has them all. */
export function mergeNames(first: UnitNames, second: UnitNames): MergedNames {
  const ofFirst = new Uint32Array(first.length);
  const ofSecond = new Uint32Array(second.length);
  const merged: UnitName[] = [];
  for (let i = 0, j = 0; i < first.length || j < second.length; ) {
    const order = compareAt(first, i, second, j);
    merged.push(order <= 0 ? first.at(i) : second.at(j));
    if (order <= 0) ofFirst[i++] = merged.length - 1;
    if (order >= 0) ofSecond[j++] = merged.length - 1;
  }
  return { names: merged.length === first.length ? first : new UnitNames(merged), ofFirst, ofSecond };
}

/** A list that has come to its end comes after everybody. */
function compareAt(first: UnitNames, i: number, second: UnitNames, j: number): number {
  if (i >= first.length) return 1;
  if (j >= second.length) return -1;
  return compareIds(first.members[i]!, second.members[j]!) || compareIds(first.meters[i]!, second.meters[j]!);
}

function encodeEach(units: UnitNames, write: (writer: CborWriter, unit: UnitName) => CborWriter): EncodedNames {
  const each = units.members.map((_, i) => write(new CborWriter(), units.at(i)).finish());
  const ends = new Uint32Array(each.length);
  const bytes = new Uint8Array(each.reduce((length, one) => length + one.length, 0));
  let end = 0;
  each.forEach((one, i) => {
    bytes.set(one, end);
    end += one.length;
    ends[i] = end;
  });
  return { bytes, ends };
}

function findOwners(units: UnitNames): Owners {
  const of = new Uint32Array(units.length);
  const names: UnitName[] = [];
  units.members.forEach((member, i) => {
    if (names.at(-1)?.member !== member) names.push({ member, meter: '' });
    of[i] = names.length - 1;
  });
  const isOwnersAlone = names.length === units.length && units.meters.every((meter) => meter === '');
  return { names: isOwnersAlone ? units : new UnitNames(names), of };
}
