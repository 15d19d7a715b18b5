import { HASH_BYTES, type Hasher } from '../crypto.js';
import { ProtocolError } from '../errors.js';

/** Entries a log can hold here: indices and sizes stay safe integers. */
export const MAX_TREE_SIZE = Number.MAX_SAFE_INTEGER;

const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

/** Reads the root of the complete subtree `index` at `level`: leaves `[index * 2^level, (index + 1) * 2^level)`. */
export type GetNode = (level: number, index: number) => Uint8Array;

/** LOG 2.1, RFC 6962 2.1: the hash of a leaf, from its data. */
export function leafHash(hasher: Hasher, leafData: Uint8Array): Uint8Array {
  return hasher.sha256(LEAF_PREFIX, leafData);
}

/** LOG 2.1, RFC 6962 2.1: the hash of an inner node. Throws `bad-proof` on a child that is not 32 bytes. */
export function nodeHash(hasher: Hasher, left: Uint8Array, right: Uint8Array): Uint8Array {
  checkHash(left, 'left child');
  checkHash(right, 'right child');
  return hasher.sha256(NODE_PREFIX, left, right);
}

/** LOG 2.1: the root of a tree without leaves, the hash of the empty string. */
export function emptyRoot(hasher: Hasher): Uint8Array {
  return hasher.sha256();
}

/** LOG 2.1: the root over a list of leaf data, as a seal needs it. Linear in the number of leaves. */
export function treeRoot(hasher: Hasher, leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves.map((data) => leafHash(hasher, data));
  while (level.length > 1) level = foldPairs(hasher, level);
  return level[0] ?? emptyRoot(hasher);
}

// Pairing neighbours and carrying an odd last node up gives the same tree as splitting at the largest power of two.
function foldPairs(hasher: Hasher, level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = [];
  for (let i = 0; i + 1 < level.length; i += 2) next.push(nodeHash(hasher, level[i]!, level[i + 1]!));
  if (level.length % 2 === 1) next.push(level[level.length - 1]!);
  return next;
}

/** Throws `bad-proof` unless `hash` is exactly 32 bytes. */
export function checkHash(hash: Uint8Array, what: string): void {
  if (hash.length !== HASH_BYTES) {
    throw new ProtocolError('bad-proof', `${what}: expected a hash of ${HASH_BYTES} bytes, got ${hash.length}`);
  }
}

/** Throws `bad-proof` unless `size` is a whole number with `0 <= size <= 2^53 - 1`. */
export function checkTreeSize(size: number, what = 'tree size'): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new ProtocolError('bad-proof', `${what}: expected a whole number from 0 to ${MAX_TREE_SIZE}, got ${size}`);
  }
}
