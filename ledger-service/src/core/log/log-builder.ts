/** Appends leaves to a community's log inside one decision, and hands out the proofs of what it appended. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { fromHex, toHex } from '@commonwatt/firmware-protocol';
import { appendLeaf, type CompactRange, inclusionProof, rangeRoot } from '@commonwatt/firmware-protocol/log';
import { tileKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { TILE_HASHES, TileReader, tileOfNode } from './tiles.js';

export class LogBuilder {
  readonly #hasher: Hasher;
  readonly #rows: Rows;
  readonly #tiles = new Map<string, number[]>();
  readonly #reader: TileReader;
  #range: CompactRange;

  constructor(hasher: Hasher, rows: Rows, range: { size: number; peaks: readonly string[] }) {
    this.#hasher = hasher;
    this.#rows = rows;
    this.#reader = new TileReader(hasher, (key) => rows.get('tile', key));
    this.#range = { size: range.size, peaks: range.peaks.map((hex) => fromHex(hex)) };
  }

  get size(): number {
    return this.#range.size;
  }

  /** Takes the hash of the leaf's data; returns the new leaf's index. */
  append(leafHash: Uint8Array): number {
    const index = this.#range.size;
    this.#range = appendLeaf(this.#hasher, this.#range, leafHash, (level, node, hash) => {
      if (level % 8 === 0) this.#addToTile(level / 8, node, hash);
    });
    return index;
  }

  root(): Uint8Array {
    return rangeRoot(this.#hasher, this.#range);
  }

  /** Peaks in hex, as the community's row keeps them. */
  peaks(): readonly string[] {
    return this.#range.peaks.map(toHex);
  }

  /** Writes the tiles that grew. Call once, after the last append and before any proof. */
  finish(): void {
    for (const [key, bytes] of this.#tiles) this.#rows.put('tile', key, Uint8Array.from(bytes));
    this.#tiles.clear();
  }

  /** Path of leaf `index` to the root of the present size; `0 <= index < size`. */
  proof(index: number): Uint8Array[] {
    return inclusionProof(this.#hasher, index, this.size, (level, node) => this.#reader.node(level, node));
  }

  #addToTile(tileLevel: number, node: number, hash: Uint8Array): void {
    const { number, offset } = tileOfNode(node);
    const key = tileKey(tileLevel, number);
    let bytes = this.#tiles.get(key);
    if (bytes === undefined) {
      bytes = offset === 0 ? [] : [...(this.#rows.get('tile', key) ?? [])];
      this.#tiles.set(key, bytes);
    }
    bytes.push(...hash);
    if (offset === TILE_HASHES - 1) this.#reader.forget(key);
  }
}
