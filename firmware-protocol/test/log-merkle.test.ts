import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hasher } from '../src/crypto.js';
import type { CompactRange, GetNode } from '../src/log/index.js';
import {
  appendLeaf,
  consistencyProof,
  EMPTY_RANGE,
  emptyRoot,
  inclusionProof,
  leafHash,
  nodeHash,
  rangeFromNodes,
  rangeRoot,
  rootFromInclusion,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../src/log/index.js';
import vectors from '../vectors/log-merkle.json' with { type: 'json' };
import { refusal } from './log-helpers.js';

const hasher: Hasher = {
  sha256(...parts) {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

/** RFC 6962 2.1 word for word: the largest power of two below n goes left. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hasher.sha256();
  if (leaves.length === 1) return hasher.sha256(Uint8Array.of(0), leaves[0]!);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hasher.sha256(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** RFC 9162 2.1.3.1 word for word. */
function naivePath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return index < k ? [...naivePath(index, left), naiveRoot(right)] : [...naivePath(index - k, right), naiveRoot(left)];
}

/** A tree that grew leaf by leaf, with the nodes that a store would keep. */
class Tree {
  readonly leaves: Uint8Array[] = [];
  readonly ranges: CompactRange[] = [EMPTY_RANGE];
  readonly nodes = new Map<string, Uint8Array>();
  readonly getNode: GetNode = (level, index) => {
    const node = this.nodes.get(`${level}/${index}`);
    if (node === undefined) throw new Error(`asked for the incomplete subtree ${level}/${index}`);
    return node;
  };

  constructor(leaves: readonly Uint8Array[]) {
    for (const leaf of leaves) this.append(leaf);
  }

  append(leaf: Uint8Array): void {
    const range = appendLeaf(hasher, this.ranges.at(-1)!, leafHash(hasher, leaf), (level, index, hash) => {
      expect(this.nodes.has(`${level}/${index}`)).toBe(false);
      this.nodes.set(`${level}/${index}`, hash);
    });
    this.leaves.push(leaf);
    this.ranges.push(range);
  }

  root(size: number): Uint8Array {
    return rangeRoot(hasher, this.ranges[size]!);
  }
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => Uint8Array.of(i & 0xff, i >> 8, 0x77));

describe('roots', () => {
  const leaves = vectors.leaves.map(bytes);

  it.each(vectors.roots.map((root, size) => ({ root, size })))(
    'of the first $size classic leaves',
    ({ root, size }) => {
      expect(hex(treeRoot(hasher, leaves.slice(0, size)))).toBe(root);
      expect(hex(new Tree(leaves.slice(0, size)).root(size))).toBe(root);
    },
  );

  it('of nothing is the hash of nothing', () => {
    expect(hex(emptyRoot(hasher))).toBe(vectors.roots[0]);
  });

  it('hash a leaf and a node as published', () => {
    const [leaf, node] = vectors.hashes;
    expect(hex(leafHash(hasher, bytes(leaf!.leaf!)))).toBe(leaf!.hash);
    expect(hex(hasher.sha256(Uint8Array.of(1), bytes(node!.left!), bytes(node!.right!)))).toBe(node!.hash);
  });

  it('refuse children that are not hashes', () => {
    const good = new Uint8Array(32);
    expect(refusal(() => nodeHash(hasher, good, new Uint8Array(31)))).toBe('bad-proof');
    expect(refusal(() => nodeHash(hasher, new Uint8Array(33), good))).toBe('bad-proof');
  });

  it('grow with the compact range exactly as by the recursive definition, at every size up to 200', () => {
    const tree = new Tree(numbered(200));
    for (let size = 0; size <= 200; size += 1) {
      const expected = hex(naiveRoot(tree.leaves.slice(0, size)));
      expect(hex(tree.root(size))).toBe(expected);
      expect(hex(treeRoot(hasher, tree.leaves.slice(0, size)))).toBe(expected);
      expect(hex(rangeRoot(hasher, rangeFromNodes(size, tree.getNode)))).toBe(expected);
    }
  });

  it('do not depend on how the leaves were split into restarts', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 70 }), fc.nat(70), (leaves, cut) => {
        const tree = new Tree(leaves);
        let range = rangeFromNodes(Math.min(cut, leaves.length), tree.getNode);
        for (const leaf of leaves.slice(range.size)) range = appendLeaf(hasher, range, leafHash(hasher, leaf));
        expect(hex(rangeRoot(hasher, range))).toBe(hex(naiveRoot(leaves)));
      }),
    );
  });

  it('report each complete subtree once, the children first', () => {
    const seen: string[] = [];
    let range = EMPTY_RANGE;
    for (const leaf of numbered(8)) {
      range = appendLeaf(hasher, range, leafHash(hasher, leaf), (level, index) => seen.push(`${level}/${index}`));
    }
    expect(seen.join(' ')).toBe('0/0 0/1 1/0 0/2 0/3 1/1 2/0 0/4 0/5 1/2 0/6 0/7 1/3 2/1 3/0');
  });

  it('agree around the sizes at which tiles of 256 fill up', () => {
    const leaves = numbered(65_537);
    const hashes = leaves.map((leaf) => leafHash(hasher, leaf));
    const sizes = new Set([255, 256, 257, 65_535, 65_536, 65_537]);
    let range = EMPTY_RANGE;
    for (const hash of hashes) {
      range = appendLeaf(hasher, range, hash);
      if (!sizes.has(range.size)) continue;
      expect(hex(rangeRoot(hasher, range))).toBe(hex(treeRoot(hasher, leaves.slice(0, range.size))));
    }
  });

  it('leave the range that was appended to as it was', () => {
    const before = new Tree(numbered(3)).ranges[3]!;
    const root = hex(rangeRoot(hasher, before));
    appendLeaf(hasher, before, leafHash(hasher, Uint8Array.of(9)));
    expect(hex(rangeRoot(hasher, before))).toBe(root);
  });

  it('refuse a compact range whose peaks do not fit its size', () => {
    const hash = new Uint8Array(32);
    const bent: CompactRange[] = [
      { size: 1, peaks: [] },
      { size: 2, peaks: [hash, hash] },
      { size: 0, peaks: [hash] },
      { size: -1, peaks: [] },
      { size: 1.5, peaks: [hash] },
      { size: 2 ** 53, peaks: [hash] },
      { size: Number.NaN, peaks: [] },
    ];
    for (const range of bent) {
      expect(refusal(() => rangeRoot(hasher, range))).toBe('bad-proof');
      expect(refusal(() => appendLeaf(hasher, range, hash))).toBe('bad-proof');
    }
    expect(refusal(() => appendLeaf(hasher, EMPTY_RANGE, new Uint8Array(0)))).toBe('bad-proof');
    const full: CompactRange = { size: 2 ** 53 - 1, peaks: Array.from({ length: 53 }, () => hash) };
    expect(refusal(() => appendLeaf(hasher, full, hash))).toBe('bad-proof');
  });
});

describe('inclusion proofs', () => {
  const tree = new Tree(numbered(200));

  it.each(vectors.inclusion)('published: $desc', ({ index, size, path }) => {
    const classic = new Tree(vectors.leaves.map(bytes));
    expect(inclusionProof(hasher, index, size, classic.getNode).map(hex)).toEqual(path);
    verifyInclusion(hasher, {
      index,
      size,
      leafHash: leafHash(hasher, classic.leaves[index]!),
      path: path.map(bytes),
      root: bytes(vectors.roots[size]!),
    });
  });

  it('of every leaf verify at every size up to 200, and are those of the recursive definition', () => {
    for (let size = 1; size <= 200; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const path = inclusionProof(hasher, index, size, tree.getNode);
        const claim = { index, size, leafHash: tree.getNode(0, index), path, root: tree.root(size) };
        verifyInclusion(hasher, claim);
        if (size % 23 === 0) expect(path.map(hex)).toEqual(naivePath(index, tree.leaves.slice(0, size)).map(hex));
      }
    }
  });

  it('are refused when bent in any way', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), fc.nat(255), (size, at, where, bit) => {
        const index = at % size;
        const path = inclusionProof(hasher, index, size, tree.getNode);
        const good = { index, size, leafHash: tree.getNode(0, index), path, root: tree.root(size) };
        const i = where % path.length;
        const flipped = path.map((hash, j) => (j === i ? flip(hash, bit) : hash));
        for (const bent of [
          { ...good, path: path.slice(1) },
          { ...good, path: path.slice(0, -1) },
          { ...good, path: [...path, path[0]!] },
          { ...good, path: [path[0]!, ...path] },
          { ...good, path: [...path, new Uint8Array(0)] },
          { ...good, path: path.map((hash, j) => (j === i ? new Uint8Array(0) : hash)) },
          { ...good, path: path.map((hash, j) => (j === i ? hash.slice(0, 31) : hash)) },
          { ...good, path: flipped },
          { ...good, path: [] },
          { ...good, index: index + 1 },
          { ...good, index: index - 1 },
          { ...good, leafHash: flip(good.leafHash, bit) },
          { ...good, leafHash: new Uint8Array(0) },
          { ...good, root: flip(good.root, bit) },
          { ...good, root: new Uint8Array(0) },
          { ...good, index: size },
          { ...good, index: -1 },
          { ...good, index: 0.5 },
          { ...good, size: 0 },
          { ...good, size: -1 },
          { ...good, size: 2 ** 53 },
          { ...good, size: 2 ** 63 },
          { ...good, size: Number.NaN },
          { ...good, size: Number.POSITIVE_INFINITY },
        ]) {
          expect(refusal(() => verifyInclusion(hasher, bent))).toBe('bad-proof');
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are refused with siblings swapped', () => {
    const path = inclusionProof(hasher, 77, 200, tree.getNode);
    const swapped = [path[1]!, path[0]!, ...path.slice(2)];
    const claim = { index: 77, size: 200, leafHash: tree.getNode(0, 77), path: swapped, root: tree.root(200) };
    expect(refusal(() => verifyInclusion(hasher, claim))).toBe('bad-proof');
  });

  it('are refused under another size that needs another path length', () => {
    const path = inclusionProof(hasher, 5, 8, tree.getNode);
    const claim = { index: 5, leafHash: tree.getNode(0, 5), path, root: tree.root(8) };
    for (const size of [6, 16, 9, 200])
      expect(refusal(() => verifyInclusion(hasher, { ...claim, size }))).toBe('bad-proof');
  });

  it('of an empty leaf hash for an empty root are refused, with the path that a careless verifier takes', () => {
    const nothing = new Uint8Array(0);
    const claim = { index: 0, size: 1, leafHash: nothing, path: [], root: nothing };
    expect(refusal(() => verifyInclusion(hasher, claim))).toBe('bad-proof');
    expect(refusal(() => rootFromInclusion(hasher, claim))).toBe('bad-proof');
  });

  it('are not built outside the tree', () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 3],
      [3, 3],
      [0, 2 ** 53],
      [0.5, 3],
    ] as const) {
      expect(refusal(() => inclusionProof(hasher, index, size, tree.getNode))).toBe('bad-proof');
    }
  });

  it('work at the largest sizes, where bit operators on numbers would not', () => {
    const size = 2 ** 53 - 1;
    const same: GetNode = (level, index) => hasher.sha256(Uint8Array.of(level), Buffer.from(String(index)));
    for (const index of [0, 2 ** 31, 2 ** 32 + 1, 2 ** 52 - 1, 2 ** 52, size - 1]) {
      const path = inclusionProof(hasher, index, size, same);
      expect(path.length).toBeLessThanOrEqual(53);
      rootFromInclusion(hasher, { index, size, leafHash: same(0, index), path });
    }
  });
});

describe('consistency proofs', () => {
  const tree = new Tree(numbered(130));

  it.each(vectors.consistency)('published: $desc', ({ from, to, path }) => {
    const classic = new Tree(vectors.leaves.map(bytes));
    expect(consistencyProof(hasher, from, to, classic.getNode).map(hex)).toEqual(path);
    const [fromRoot, toRoot] = [bytes(vectors.roots[from]!), bytes(vectors.roots[to]!)];
    verifyConsistency(hasher, { from, to, fromRoot, toRoot, path: path.map(bytes) });
  });

  it('from any size to any later one verify', () => {
    for (let to = 1; to <= 130; to += 1) {
      for (let from = 1; from <= to; from += 1) {
        const path = consistencyProof(hasher, from, to, tree.getNode);
        verifyConsistency(hasher, { from, to, fromRoot: tree.root(from), toRoot: tree.root(to), path });
      }
    }
  });

  it('are refused when bent in any way', () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: 129 }), fc.integer({ min: 1, max: 129 }));
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(255), ([a, b], where, bit) => {
        const from = Math.min(a, b);
        const to = Math.max(a, b) + 1;
        const path = consistencyProof(hasher, from, to, tree.getNode);
        const good = { from, to, fromRoot: tree.root(from), toRoot: tree.root(to), path };
        const i = where % path.length;
        for (const bent of [
          { ...good, path: path.slice(1) },
          { ...good, path: path.slice(0, -1) },
          { ...good, path: [...path, path[0]!] },
          { ...good, path: [good.fromRoot, ...path] },
          { ...good, path: path.map((hash, j) => (j === i ? flip(hash, bit) : hash)) },
          { ...good, path: path.map((hash, j) => (j === i ? new Uint8Array(0) : hash)) },
          { ...good, fromRoot: flip(good.fromRoot, bit) },
          { ...good, toRoot: flip(good.toRoot, bit) },
          { ...good, fromRoot: new Uint8Array(0) },
          { ...good, toRoot: new Uint8Array(0) },
          { ...good, fromRoot: good.toRoot, toRoot: good.fromRoot },
          { ...good, from: to, to: from },
          { ...good, from: to },
          { ...good, to: from },
          { ...good, from: 0 },
          { ...good, from: 0, to: 0, path: [] },
          { ...good, from: 0, path: [] },
          { ...good, to: 2 ** 53 },
          { ...good, from: -1 },
          { ...good, from: 1.5 },
        ]) {
          expect(refusal(() => verifyConsistency(hasher, bent))).toBe('bad-proof');
        }
      }),
      { numRuns: 200 },
    );
  });

  it('of a log that changed an old leaf cannot be built', () => {
    const forked = new Tree(numbered(130).map((leaf, i) => (i === 40 ? Uint8Array.of(1) : leaf)));
    const path = consistencyProof(hasher, 64, 130, forked.getNode);
    const claim = { from: 64, to: 130, fromRoot: tree.root(64), toRoot: forked.root(130), path };
    expect(refusal(() => verifyConsistency(hasher, claim))).toBe('bad-proof');
  });

  it('of equal sizes need equal roots and no path', () => {
    const root = tree.root(7);
    verifyConsistency(hasher, { from: 7, to: 7, fromRoot: root, toRoot: root, path: [] });
    expect(
      refusal(() => verifyConsistency(hasher, { from: 7, to: 7, fromRoot: root, toRoot: flip(root, 3), path: [] })),
    ).toBe('bad-proof');
    expect(
      refusal(() => verifyConsistency(hasher, { from: 7, to: 7, fromRoot: root, toRoot: root, path: [root] })),
    ).toBe('bad-proof');
  });

  it('are not built from nothing or backwards', () => {
    for (const [from, to] of [
      [0, 5],
      [6, 5],
      [-1, 5],
      [0, 0],
      [1, 2 ** 53],
    ] as const) {
      expect(refusal(() => consistencyProof(hasher, from, to, tree.getNode))).toBe('bad-proof');
    }
  });
});

const sharedFile = new URL('../../../shared/vectors/merkle/rfc6962_8leaf.json', import.meta.url);
const sharedAbsent = existsSync(sharedFile) ? '' : ' (skipped: ../shared/vectors is not beside this checkout)';

describe(`all 36 inclusion and 36 consistency proofs of the classic eight leaves${sharedAbsent}`, () => {
  it.skipIf(sharedAbsent !== '')('are built and verified exactly', () => {
    const all = JSON.parse(readFileSync(sharedFile, 'utf8')) as SharedVectors;
    const tree = new Tree(all.leaves.map(bytes));
    expect(tree.leaves.map((leaf) => hex(leafHash(hasher, leaf)))).toEqual(all.leafHashes);
    expect(all.roots.map((_, size) => hex(tree.root(size)))).toEqual(all.roots);
    for (const { index, size, leafHash: leaf, proof, root } of all.inclusion) {
      expect(inclusionProof(hasher, index, size, tree.getNode).map(hex)).toEqual(proof);
      verifyInclusion(hasher, { index, size, leafHash: bytes(leaf), path: proof.map(bytes), root: bytes(root) });
    }
    for (const { size1, size2, root1, root2, proof } of all.consistency) {
      expect(consistencyProof(hasher, size1, size2, tree.getNode).map(hex)).toEqual(proof);
      const claim = { from: size1, to: size2, fromRoot: bytes(root1), toRoot: bytes(root2), path: proof.map(bytes) };
      verifyConsistency(hasher, claim);
    }
    expect([all.inclusion.length, all.consistency.length]).toEqual([36, 36]);
  });
});

interface SharedVectors {
  leaves: string[];
  leafHashes: string[];
  roots: string[];
  inclusion: { index: number; size: number; leafHash: string; proof: string[]; root: string }[];
  consistency: { size1: number; size2: number; root1: string; root2: string; proof: string[] }[];
}

function flip(hash: Uint8Array, bit: number): Uint8Array {
  const copy = hash.slice();
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}
