import { bytesEqual } from '../bytes.js';
import type { Hasher } from '../crypto.js';
import { ProtocolError } from '../errors.js';
import { subtreeRoot } from './compact-range.js';
import { checkHash, checkTreeSize, type GetNode, nodeHash } from './merkle.js';

/** A claim that a leaf stands at `index` in the tree of `size` leaves; the path runs from the leaf upwards. */
export interface InclusionClaim {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** A claim that the tree of `to` leaves begins with the tree of `from` leaves. */
export interface ConsistencyClaim {
  readonly from: number;
  readonly to: number;
  readonly fromRoot: Uint8Array;
  readonly toRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** On the way from a node to the root: on which side the sibling stands, and which node it is. */
interface Step {
  readonly side: 'left' | 'right';
  readonly level: number;
  readonly index: number;
}

/**
 * LOG 2.2, RFC 9162 2.1.3.1: the path of leaf `index` in the tree of `size` leaves; `0 <= index < size`.
 * Reads complete subtrees only, so any store that kept them serves every size. Throws `bad-proof` out of range.
 */
export function inclusionProof(hasher: Hasher, index: number, size: number, getNode: GetNode): Uint8Array[] {
  checkIndex(index, size);
  return readPath(hasher, stepsUp(0, index, size), size, getNode);
}

/** LOG 2.3, RFC 9162 2.1.4.1: the proof that `from` leaves are a prefix of `to` leaves; `0 < from <= to`. */
export function consistencyProof(hasher: Hasher, from: number, to: number, getNode: GetNode): Uint8Array[] {
  checkSizes(from, to);
  if (from === to) return [];
  const { level, index } = lastPeak(from);
  const path = readPath(hasher, stepsUp(level, index, to), to, getNode);
  // A power of two is one whole subtree: its root is the old root, which the verifier holds already.
  return index === 0 ? path : [subtreeRoot(hasher, index * 2 ** level, from, getNode), ...path];
}

/**
 * LOG 2.2, RFC 9162 2.1.3.2: the root that a leaf and its path lead to. Nothing is proved until that root is compared
 * with one that the log signed for the same size. Throws `bad-proof` on a wrong size, index, hash or path length.
 */
export function rootFromInclusion(hasher: Hasher, claim: InclusionClaim): Uint8Array {
  checkIndex(claim.index, claim.size);
  checkHash(claim.leafHash, 'leaf hash');
  const steps = stepsUp(0, claim.index, claim.size);
  checkPathLength(claim.path, steps.length, `leaf ${claim.index} of ${claim.size}`);
  let root = claim.leafHash;
  steps.forEach((step, i) => {
    root = step.side === 'left' ? nodeHash(hasher, claim.path[i]!, root) : nodeHash(hasher, root, claim.path[i]!);
  });
  return root;
}

/** Throws `bad-proof` unless the leaf's path leads to `root`; `root` and `size` must come from one checkpoint. */
export function verifyInclusion(hasher: Hasher, claim: InclusionClaim & { readonly root: Uint8Array }): void {
  checkHash(claim.root, 'root');
  if (!bytesEqual(rootFromInclusion(hasher, claim), claim.root)) {
    throw new ProtocolError('bad-proof', `leaf ${claim.index} of ${claim.size}: path does not lead to the given root`);
  }
}

/**
 * LOG 2.3, RFC 9162 2.1.4.2: throws `bad-proof` unless the path shows that the tree of `to` leaves begins with the one
 * of `from`. `from` 0 is refused: everything begins with nothing, so it would prove nothing.
 */
export function verifyConsistency(hasher: Hasher, claim: ConsistencyClaim): void {
  const { from, to, fromRoot, toRoot, path } = claim;
  checkSizes(from, to);
  checkHash(fromRoot, 'earlier root');
  checkHash(toRoot, 'later root');
  const roots = from === to ? equalSizes(claim) : rootsFromConsistency(hasher, claim);
  const sizes = `from ${from} to ${to}`;
  if (!bytesEqual(roots.from, fromRoot)) {
    throw new ProtocolError('bad-proof', `${sizes}: path of ${path.length} does not lead to the earlier root`);
  }
  if (!bytesEqual(roots.to, toRoot)) {
    throw new ProtocolError('bad-proof', `${sizes}: path of ${path.length} does not lead to the later root`);
  }
}

interface RootPair {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

function equalSizes({ from, fromRoot, path }: ConsistencyClaim): RootPair {
  checkPathLength(path, 0, `from ${from} to itself`);
  return { from: fromRoot, to: fromRoot };
}

function rootsFromConsistency(hasher: Hasher, { from, to, fromRoot, path }: ConsistencyClaim): RootPair {
  const { level, index } = lastPeak(from);
  const steps = stepsUp(level, index, to);
  const seeds = index === 0 ? 0 : 1;
  checkPathLength(path, steps.length + seeds, `from ${from} to ${to}`);
  const seed = seeds === 0 ? fromRoot : path[0]!;
  let older = seed;
  let newer = seed;
  steps.forEach((step, i) => {
    const sibling = path[i + seeds]!;
    // What stands on the left was there before; what stands on the right came later.
    if (step.side === 'left') older = nodeHash(hasher, sibling, older);
    newer = step.side === 'left' ? nodeHash(hasher, sibling, newer) : nodeHash(hasher, newer, sibling);
  });
  return { from: older, to: newer };
}

/** The last, smallest of the complete subtrees that `size > 0` leaves decompose into. */
function lastPeak(size: number): { level: number; index: number } {
  let level = 0;
  let count = size;
  for (; count % 2 === 0; count /= 2) level += 1;
  return { level, index: count - 1 };
}

/** The siblings on the way from a complete subtree to the root of `size` leaves: their number is the path's length. */
function stepsUp(fromLevel: number, fromIndex: number, size: number): Step[] {
  const steps: Step[] = [];
  let index = fromIndex;
  let last = Math.floor((size - 1) / 2 ** fromLevel);
  for (let level = fromLevel; last > 0; level += 1) {
    if (index % 2 === 1) steps.push({ side: 'left', level, index: index - 1 });
    else if (index < last) steps.push({ side: 'right', level, index: index + 1 });
    // else an odd last node, which moves up without a sibling
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  return steps;
}

function readPath(hasher: Hasher, steps: readonly Step[], size: number, getNode: GetNode): Uint8Array[] {
  return steps.map(({ level, index }) => {
    const start = index * 2 ** level;
    return subtreeRoot(hasher, start, Math.min(start + 2 ** level, size), getNode);
  });
}

function checkIndex(index: number, size: number): void {
  checkTreeSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new ProtocolError('bad-proof', `leaf index: expected 0 <= index < ${size}, got ${index}`);
  }
}

function checkSizes(from: number, to: number): void {
  checkTreeSize(from, 'earlier size');
  checkTreeSize(to, 'later size');
  if (from === 0 || from > to) {
    throw new ProtocolError('bad-proof', `sizes: expected 0 < earlier <= later, got ${from} and ${to}`);
  }
}

function checkPathLength(path: readonly Uint8Array[], expected: number, what: string): void {
  if (path.length !== expected) {
    throw new ProtocolError('bad-proof', `${what}: expected a path of ${expected} hashes, got ${path.length}`);
  }
  path.forEach((hash, i) => {
    checkHash(hash, `path element ${i}`);
  });
}
