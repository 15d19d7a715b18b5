/**
 * Inclusion paths of many leaves in one tree: hundreds of receipts of a commit share most of their nodes, so each is
 * computed or read once (LOG 2.2).
 */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { type CompactRange, nodeHash } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../errors.js';
import type { TileReader } from './tiles.js';

export class TreePaths {
  readonly #hasher: Hasher;
  readonly #tiles: TileReader;
  /** By level, then index: roots of complete subtrees. */
  readonly #complete: Map<number, Uint8Array>[] = [];
  /** By level: the root of what stands under the last node, where that is not complete; for the size below. */
  #ragged: (Uint8Array | undefined)[] = [];
  #size = -1;

  /** Nodes beside new leaves are the peaks of the range they are appended to: none of them has to be read. */
  constructor(hasher: Hasher, tiles: TileReader, range: CompactRange) {
    this.#hasher = hasher;
    this.#tiles = tiles;
    let at = 0;
    let level = range.size > 0 ? Math.floor(Math.log2(range.size)) + 1 : 0;
    for (const peak of range.peaks) {
      // Rounding can only make the level one too high, which costs a step.
      while (at + 2 ** level > range.size) level -= 1;
      this.know(level, at / 2 ** level, peak);
      at += 2 ** level;
    }
  }

  /** Tells the root of a complete subtree. */
  know(level: number, index: number, hash: Uint8Array): void {
    this.#level(level).set(index, hash);
  }

  /** RFC 9162 2.1.3.1: from the leaf upwards; `0 <= index < size`. */
  path(index: number, size: number): readonly Uint8Array[] {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new LedgerError('invariant', `leaf index: expected 0 to before ${size}, got ${index}`);
    }
    if (size !== this.#size) {
      this.#size = size;
      this.#ragged = [];
    }
    const path: Uint8Array[] = [];
    let at = index;
    let last = size - 1;
    for (let level = 0; last > 0; level++) {
      if (at % 2 === 1) path.push(this.#node(level, at - 1));
      else if (at < last) path.push(this.#node(level, at + 1));
      // else an odd last node, which moves up without a sibling
      at = Math.floor(at / 2);
      last = Math.floor(last / 2);
    }
    return path;
  }

  #node(level: number, index: number): Uint8Array {
    if ((index + 1) * 2 ** level > this.#size) return this.#raggedNode(level, index);
    const known = this.#level(level);
    let hash = known.get(index);
    if (hash === undefined) {
      hash = this.#tiles.node(level, index);
      known.set(index, hash);
    }
    return hash;
  }

  #raggedNode(level: number, index: number): Uint8Array {
    let hash = this.#ragged[level];
    if (hash === undefined) {
      const left = this.#node(level - 1, index * 2);
      const rightStart = (index * 2 + 1) * 2 ** (level - 1);
      hash = rightStart >= this.#size ? left : nodeHash(this.#hasher, left, this.#node(level - 1, index * 2 + 1));
      this.#ragged[level] = hash;
    }
    return hash;
  }

  #level(level: number): Map<number, Uint8Array> {
    let nodes = this.#complete[level];
    if (nodes === undefined) {
      nodes = new Map();
      this.#complete[level] = nodes;
    }
    return nodes;
  }
}
