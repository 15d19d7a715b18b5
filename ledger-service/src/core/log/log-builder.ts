/** Appends leaves to a community's log inside one decision, and hands out the proofs of what it appended. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { fromHex, toHex } from '@commonwatt/firmware-protocol';
import { appendLeaf, type CompactRange, inclusionProof, rangeRoot } from '@commonwatt/firmware-protocol/log';
import { tileKey } from '../rows.js';
import type { Rows } from '../working-set.js';
import { TileReader, tileOfNode } from './tiles.js';

export class LogBuilder {
  readonly #hasher: Hasher;
  readonly #rows: Rows;
  readonly #tiles = new Map<string, Tile>();
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

  /** Takes the hash of the leaf's data; returns the new leaf's index. All of it or, where a tile is not loaded, nothing. */
  append(leafHash: Uint8Array): number {
    const index = this.#range.size;
    const grown: { tile: Tile; hash: Uint8Array }[] = [];
    const range = appendLeaf(this.#hasher, this.#range, leafHash, (level, node, hash) => {
      if (level % 8 === 0) grown.push({ tile: this.#tile(level / 8, node), hash });
    });
    for (const { tile, hash } of grown) tile.hashes.push(...hash);
    this.#range = range;
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
    for (const [key, { hashes }] of this.#tiles) this.#rows.put('tile', key, Uint8Array.from(hashes));
    this.#tiles.clear();
  }

  /** Path of leaf `index` to the root of the present size; `0 <= index < size`. */
  proof(index: number): Uint8Array[] {
    return inclusionProof(this.#hasher, index, this.size, (level, node) => this.#reader.node(level, node));
  }

  /** The tile that a node is the next one of. */
  #tile(tileLevel: number, node: number): Tile {
    const { number, offset } = tileOfNode(node);
    const key = tileKey(tileLevel, number);
    let tile = this.#tiles.get(key);
    if (tile === undefined) {
      tile = { hashes: offset === 0 ? [] : [...(this.#rows.get('tile', key) ?? [])] };
      this.#tiles.set(key, tile);
    }
    return tile;
  }
}

/** Bytes of a tile's hashes. */
interface Tile {
  readonly hashes: number[];
}
