/** Nodes of the log's tree out of tiles of 256 hashes (C2SP tlog-tiles 0.1): every complete subtree can be had. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { nodeHash } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../errors.js';
import { tileKey } from '../rows.js';

export const TILE_HASHES = 256;
export const TILE_LEVELS = 8;
export const HASH_BYTES = 32;

/** In which tile of its level a node stands, and where. */
export function tileOfNode(node: number): { number: number; offset: number } {
  return { number: Math.floor(node / TILE_HASHES), offset: node % TILE_HASHES };
}

export class TileReader {
  readonly #hasher: Hasher;
  readonly #read: (key: string) => Uint8Array | undefined;
  readonly #nodes = new Map<string, Uint8Array>();

  constructor(hasher: Hasher, read: (key: string) => Uint8Array | undefined) {
    this.#hasher = hasher;
    this.#read = read;
  }

  /** Root of the complete subtree `index` at `level` (level 0: a leaf's hash). Throws 'invariant' when tiles lack it. */
  node(level: number, index: number): Uint8Array {
    const inTile = level % TILE_LEVELS;
    return this.#inTile(Math.floor(level / TILE_LEVELS), inTile, index);
  }

  #inTile(tileLevel: number, height: number, index: number): Uint8Array {
    if (height === 0) return this.#stored(tileLevel, index);
    const first = index * 2 ** height;
    const key = `${tileKey(tileLevel, Math.floor(first / TILE_HASHES))}:${height}:${index}`;
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const left = this.#inTile(tileLevel, height - 1, index * 2);
    const right = this.#inTile(tileLevel, height - 1, index * 2 + 1);
    const hash = nodeHash(this.#hasher, left, right);
    this.#nodes.set(key, hash);
    return hash;
  }

  #stored(tileLevel: number, index: number): Uint8Array {
    const { number, offset } = tileOfNode(index);
    const tile = this.#read(tileKey(tileLevel, number));
    const hash = tile?.subarray(offset * HASH_BYTES, (offset + 1) * HASH_BYTES);
    if (hash?.length !== HASH_BYTES) {
      throw new LedgerError('invariant', `tile ${tileLevel}/${number} lacks hash ${offset}: rebuild the projections`);
    }
    return hash;
  }
}
