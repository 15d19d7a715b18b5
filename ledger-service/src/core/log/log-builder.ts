/** Appends leaves to a community's log inside one decision, and hands out the proofs of what it appended. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { fromHex, toHex } from '@commonwatt/firmware-protocol';
import { checkHash, nodeHash, rangeRoot } from '@commonwatt/firmware-protocol/log';
import { tileKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { HASH_BYTES, TILE_HASHES, TileReader, tileOfNode } from './tiles.js';
import { TreePaths } from './tree-paths.js';

export class LogBuilder {
  readonly #hasher: Hasher;
  readonly #rows: Rows;
  readonly #tiles = new Map<string, GrowingTile>();
  /** The complete subtrees that the log decomposes into, the largest first (LOG 2.1). */
  readonly #peaks: Uint8Array[];
  readonly #paths: TreePaths;
  #size: number;

  constructor(hasher: Hasher, rows: Rows, range: { size: number; peaks: readonly string[] }) {
    this.#hasher = hasher;
    this.#rows = rows;
    this.#size = range.size;
    this.#peaks = range.peaks.map((hex) => fromHex(hex));
    // Refuses a head whose peaks are not those of its size.
    if (range.size > 0) rangeRoot(hasher, { size: range.size, peaks: this.#peaks });
    const reader = new TileReader(hasher, (key) => rows.get('tile', key));
    this.#paths = new TreePaths(hasher, reader, { size: range.size, peaks: this.#peaks });
  }

  get size(): number {
    return this.#size;
  }

  /** Takes the hash of the leaf's data; returns the new leaf's index. All of it or, where a tile is not loaded, nothing. */
  append(leafHash: Uint8Array): number {
    checkHash(leafHash, 'leaf hash');
    const index = this.#size;
    this.#requireTiles(index);
    let hash = leafHash;
    let node = index;
    let level = 0;
    this.#grow(level, node, hash);
    // An odd node is a right child: its left sibling is the last peak, and their parent is complete now.
    for (; node % 2 === 1; node = (node - 1) / 2) {
      hash = nodeHash(this.#hasher, this.#peaks.pop()!, hash);
      level += 1;
      this.#grow(level, (node - 1) / 2, hash);
    }
    this.#peaks.push(hash);
    this.#size = index + 1;
    return index;
  }

  root(): Uint8Array {
    return rangeRoot(this.#hasher, { size: this.#size, peaks: this.#peaks });
  }

  /** Peaks in hex, as the community's row keeps them. */
  peaks(): readonly string[] {
    return this.#peaks.map(toHex);
  }

  /** Writes the tiles that grew. Call once, after the last append and before any proof. */
  finish(): void {
    for (const [key, tile] of this.#tiles) this.#rows.put('tile', key, tile.bytes());
    this.#tiles.clear();
  }

  /** Path of leaf `index` to the root of the present size; `0 <= index < size`. */
  proof(index: number): readonly Uint8Array[] {
    return this.#paths.path(index, this.#size);
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

  #grow(level: number, node: number, hash: Uint8Array): void {
    this.#paths.know(level, node, hash);
    if (level % 8 === 0) this.#tile(level / 8, node).add(hash);
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
