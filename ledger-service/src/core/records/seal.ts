/** Kinds 12 and 13 (LOG 5.12, 7): once a day every member's lines and closing balance, each provable alone. */
import {
  type CborKey,
  type CborValue,
  CborWriter,
  cborMap,
  encodeCbor,
  type Hasher,
} from '@commonwatt/firmware-protocol';
import { ENTRY_VERSION, encodeEntry, KIND, privateEntry, treeRoot } from '@commonwatt/firmware-protocol/log';
import {
  asArray,
  asFields,
  asHash,
  asId,
  asMicro,
  asSafeInt,
  asUint,
  badEntry,
  checkRising,
  compareIds,
  decode,
  fromMicro,
} from './fields.js';
import { closeContent } from './private.js';
import { lineItem, parseLine, type SettlementLine } from './settlement.js';

const SEALED_LINE_FIELDS = 3;
const SEAL_LEAF_FIELDS = 5;
/** An id, four integers and three heads. */
const MAX_LEAF_HEAD_BYTES = 128;

export interface Seal {
  /** From 1, without a hole. */
  readonly number: number;
  /** Index of the seal before; none for number 1. */
  readonly previousIndex?: number;
  readonly leafCount: number;
  readonly root: Uint8Array;
}

/** A line since the last seal, and what the version it stands in posted for the member. */
export interface SealedLine {
  readonly settlementIndex: number;
  readonly line: SettlementLine;
  readonly postedMicro: bigint;
}

export interface SealLeaf {
  readonly member: string;
  readonly sealNumber: number;
  /** By settlement index, then meter. */
  readonly lines: readonly SealedLine[];
  readonly closingMicro: bigint;
  /** Delivered minus received. */
  readonly closingMwh: number;
}

/** Leaf data of a seal. */
export function encodeSeal(seal: Seal): Uint8Array {
  return encodeEntry(KIND.seal, ENTRY_VERSION, encodeSealBody(seal));
}

/** The body of a seal entry. Throws `bad-entry` for what could not be read back. */
export function encodeSealBody(seal: Seal): Map<CborKey, CborValue> {
  const body = cborMap([
    [1, seal.number],
    [2, seal.previousIndex],
    [3, seal.leafCount],
    [4, seal.root],
  ]);
  parseSeal(body);
  return body;
}

/** Untrusted: the body of a seal entry. */
export function parseSeal(body: ReadonlyMap<CborKey, CborValue>): Seal {
  const fields = asFields(body as CborValue, 'seal', { required: [1, 3, 4], optional: [2] });
  const number = asUint(fields.get(1), 'seal: number', { min: 1 });
  if (fields.has(2) !== number > 1) throw badEntry('seal: index of the seal before', 'it from number 2 on', number);
  return {
    number,
    ...(fields.has(2) && { previousIndex: asUint(fields.get(2), 'seal: index of the seal before') }),
    leafCount: asUint(fields.get(3), 'seal: leaf count'),
    root: asHash(fields.get(4), 'seal: root'),
  };
}

/** Content of a seal's leaf. Throws `money-range` or `bad-entry`. */
export function encodeSealLeafContent({ lines, ...leaf }: SealLeaf): Uint8Array {
  checkLines(leaf.member, lines);
  const writer = new SealLeafWriter();
  for (const { settlementIndex, line, postedMicro } of lines) {
    writer.add(settlementIndex, encodeCbor(lineItem(line)), postedMicro);
  }
  return writer.finish(leaf);
}

/** The content of a seal's leaf, line by line: a day of a street has tens of thousands. */
export class SealLeafWriter {
  readonly #lines = new CborWriter(1024);
  #count = 0;

  /**
   * The next line as it stands in its vector; by settlement index, then meter. Throws LedgerError `money-range` for a
   * posting beyond 64 bits.
   */
  add(settlementIndex: number, line: Uint8Array, postedMicro: number | bigint): void {
    const posted =
      typeof postedMicro === 'bigint' ? fromMicro(postedMicro, `posted by ${settlementIndex}`) : postedMicro;
    this.#lines.array(SEALED_LINE_FIELDS).uint(settlementIndex).raw(line).int(posted);
    this.#count += 1;
  }

  finish({ member, sealNumber, closingMicro, closingMwh }: Omit<SealLeaf, 'lines'>): Uint8Array {
    const lines = this.#lines.finish();
    const writer = new CborWriter(MAX_LEAF_HEAD_BYTES + lines.length).array(SEAL_LEAF_FIELDS).text(member);
    writer.uint(sealNumber).array(this.#count).raw(lines);
    return writer
      .int(fromMicro(closingMicro, `closing of ${member}`))
      .int(closingMwh)
      .finish();
  }
}

/** Untrusted: an opened leaf of a seal. */
export function parseSealLeafContent(content: Uint8Array): SealLeaf {
  const [member, number, items, closingMicro, closingMwh] = asArray(decode(content, 'seal leaf'), 'seal leaf', 5);
  const leaf = {
    member: asId(member, 'seal leaf: member'),
    sealNumber: asUint(number, 'seal leaf: seal number', { min: 1 }),
    lines: asArray(items, 'seal leaf: lines').map(parseSealedLine),
    closingMicro: asMicro(closingMicro, 'seal leaf: closing micro-credits'),
    closingMwh: asSafeInt(closingMwh, 'seal leaf: closing mWh'),
  };
  checkLines(leaf.member, leaf.lines);
  return leaf;
}

function parseSealedLine(value: CborValue): SealedLine {
  const [index, line, posted] = asArray(value, 'sealed line', 3);
  return {
    settlementIndex: asUint(index, 'sealed line: settlement index'),
    line: parseLine(line),
    postedMicro: asMicro(posted, 'sealed line: posted micro-credits'),
  };
}

function checkLines(member: string, lines: readonly SealedLine[]): void {
  for (const { line } of lines) if (line.member !== member) throw badEntry('sealed line', member, line.member);
  checkRising(
    lines,
    'seal leaf: lines',
    (a, b) => a.settlementIndex - b.settlementIndex || compareIds(a.line.meter, b.line.meter),
  );
}

/** A leaf's content with the privacy key of its member. */
export interface SealLeafInput {
  readonly content: Uint8Array;
  readonly privacyKey: Uint8Array;
}

/**
 * LOG 7.3: the root over a seal's leaves, given in the order of the members' ids. `sealIndex` is the index that the seal
 * itself will have in the log. The leaf data comes back for the inclusion proofs, the salts for the openings.
 */
export function sealTree(
  hasher: Hasher,
  sealIndex: number,
  leaves: readonly SealLeafInput[],
): { root: Uint8Array; leaves: readonly { leafData: Uint8Array; salt: Uint8Array }[] } {
  const closed = leaves.map(({ content, privacyKey }) => {
    const { salt, commitment } = closeContent(hasher, { privacyKey, kind: KIND.sealLeaf, index: sealIndex, content });
    return { salt, leafData: privateEntry(KIND.sealLeaf, commitment) };
  });
  return {
    root: treeRoot(
      hasher,
      closed.map(({ leafData }) => leafData),
    ),
    leaves: closed,
  };
}
