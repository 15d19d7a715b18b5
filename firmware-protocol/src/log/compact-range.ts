import type { Hasher } from '../crypto.js';
import { ProtocolError } from '../errors.js';
import { checkHash, checkTreeSize, emptyRoot, type GetNode, MAX_TREE_SIZE, nodeHash } from './merkle.js';

/**
 * All that appending needs of a tree: its size, and the roots of the complete subtrees it decomposes into, the largest
 * first, one for every one-bit of the size. Values are immutable; an append gives a new one.
 */
export interface CompactRange {
  readonly size: number;
  readonly peaks: readonly Uint8Array[];
}

/** Told of each subtree when it becomes complete, level 0 (the leaf itself) included; lower levels first. */
export type OnNode = (level: number, index: number, hash: Uint8Array) => void;

export const EMPTY_RANGE: CompactRange = { size: 0, peaks: [] };

/**
 * Appends one leaf. A store that keeps what `onNode` reports can serve every proof (`GetNode`) at every later size.
 * At most log2(size) + 1 calls; two hashes on average. Throws `bad-proof` if the range is not one, or is full.
 */
export function appendLeaf(hasher: Hasher, range: CompactRange, leafHash: Uint8Array, onNode?: OnNode): CompactRange {
  checkRange(range);
  checkHash(leafHash, 'leaf hash');
  if (range.size === MAX_TREE_SIZE) throw new ProtocolError('bad-proof', `tree is full: ${range.size} leaves`);
  const peaks = range.peaks.slice();
  let hash = leafHash;
  let level = 0;
  let index = range.size;
  onNode?.(level, index, hash);
  // An odd index is a right child: its left sibling is the last peak, and their parent is now complete.
  while (index % 2 === 1) {
    hash = nodeHash(hasher, peaks.pop()!, hash);
    level += 1;
    index = (index - 1) / 2;
    onNode?.(level, index, hash);
  }
  peaks.push(hash);
  return { size: range.size + 1, peaks };
}

/** The root of the tree a range stands for (LOG 2.1). */
export function rangeRoot(hasher: Hasher, range: CompactRange): Uint8Array {
  checkRange(range);
  return range.size === 0 ? emptyRoot(hasher) : bagPeaks(hasher, range.peaks);
}

/** The range of a tree of `size` leaves, from kept subtree roots: how a store goes on after a restart. */
export function rangeFromNodes(size: number, getNode: GetNode): CompactRange {
  checkTreeSize(size);
  return { size, peaks: readPeaks(0, size, getNode) };
}

/**
 * Root of the leaves `[start, end)`, where start is a multiple of a power of two that is at least `end - start`
 * (so that the range hangs under one node of the tree). `start < end`.
 */
export function subtreeRoot(hasher: Hasher, start: number, end: number, getNode: GetNode): Uint8Array {
  return bagPeaks(hasher, readPeaks(start, end, getNode));
}

function readPeaks(start: number, end: number, getNode: GetNode): Uint8Array[] {
  const peaks: Uint8Array[] = [];
  let at = start;
  // Rounding can only make the start one level too high, which costs a step.
  for (let level = end > start ? Math.ceil(Math.log2(end - start)) : -1; level >= 0; level -= 1) {
    const width = 2 ** level;
    if (end - at < width) continue;
    const node = getNode(level, at / width);
    checkHash(node, `node ${at / width} of level ${level}`);
    peaks.push(node);
    at += width;
  }
  return peaks;
}

function bagPeaks(hasher: Hasher, peaks: readonly Uint8Array[]): Uint8Array {
  let root = peaks[peaks.length - 1]!;
  for (let i = peaks.length - 2; i >= 0; i -= 1) root = nodeHash(hasher, peaks[i]!, root);
  return root;
}

function checkRange(range: CompactRange): void {
  checkTreeSize(range.size);
  let expected = 0;
  for (let rest = range.size; rest > 0; rest = Math.floor(rest / 2)) expected += rest % 2;
  if (range.peaks.length !== expected) {
    const got = `${range.peaks.length} for size ${range.size}`;
    throw new ProtocolError('bad-proof', `compact range: expected ${expected} peaks, got ${got}`);
  }
}
