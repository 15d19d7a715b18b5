/** Appends leaves to a community's log inside one decision, and hands out the proofs of what it appended. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { fromHex, toHex } from '@commonwatt/firmware-protocol';
import { appendLeaf, type CompactRange, rangeRoot } from '@commonwatt/firmware-protocol/log';
import { tileKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { HASH_BYTES, TILE_HASHES, TILE_LEVELS, TileReader, tileOfNode } from './tiles.js';
import { TreePaths } from './tree-paths.js';

export class LogBuilder {
  readonly #hasher: Hasher;
  readonly #rows: Rows;
  readonly #tiles = new Map<string, GrowingTile>();
  readonly #paths: TreePaths;
  #range: CompactRange;

  constructor(hasher: Hasher, rows: Rows, range: { size: number; peaks: readonly string[] }) {
    this.#hasher = hasher;
    this.#rows = rows;
    this.#range = { size: range.size, peaks: range.peaks.map((hex) => fromHex(hex)) };
    const reader = new TileReader(hasher, (key) => rows.get('tile', key));
    this.#paths = new TreePaths(hasher, reader, this.#range);
  }

  get size(): number {
    return this.#range.size;
  }

  /** Takes the hash of the leaf's data; returns the new leaf's index. All of it or, where a tile is not loaded, nothing. */
  append(leafHash: Uint8Array): number {
    const index = this.#range.size;
    this.#requireTiles(index);
    this.#range = appendLeaf(this.#hasher, this.#range, leafHash, (level, node, hash) => {
      this.#paths.know(level, node, hash);
      if (level % TILE_LEVELS === 0) this.#tile(level / TILE_LEVELS, node).add(hash);
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
    for (const [key, tile] of this.#tiles) this.#rows.put('tile', key, tile.bytes());
    this.#tiles.clear();
  }

  /** Path of leaf `index` to the root of the present size; `0 <= index < size`. */
  proof(index: number): readonly Uint8Array[] {
    return this.#paths.path(index, this.size);
  }

  /** The tiles that a leaf at this index adds a hash to: of level n where its tile of n - 1 becomes full. */
  #requireTiles(index: number): void {
    let node = index;
    for (let level = 0; ; level++) {
      this.#tile(level, node);
      if (node % TILE_HASHES !== TILE_HASHES - 1) return;
      node = Math.floor(node / TILE_HASHES);
    }
  }

  /** The tile that a node is the next one of. */
  #tile(tileLevel: number, node: number): GrowingTile {
    const { number, offset } = tileOfNode(node);
    const key = tileKey(tileLevel, number);
    let tile = this.#tiles.get(key);
    if (tile === undefined) {
      tile = new GrowingTile(offset === 0 ? undefined : this.#rows.get('tile', key));
      this.#tiles.set(key, tile);
    }
    return tile;
  }
}

class GrowingTile {
  readonly #buffer = new Uint8Array(TILE_HASHES * HASH_BYTES);
  #length = 0;

  constructor(known: Uint8Array | undefined) {
    if (known === undefined) return;
    this.#buffer.set(known);
    this.#length = known.length;
  }

  add(hash: Uint8Array): void {
    this.#buffer.set(hash, this.#length);
    this.#length += hash.length;
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
}
