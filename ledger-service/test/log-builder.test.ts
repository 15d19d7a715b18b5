import { nobleSha256, toHex } from '@commonwatt/firmware-protocol';
import {
  type GetNode,
  inclusionProof,
  leafHash,
  nodeHash,
  treeRoot,
  verifyInclusion,
} from '@commonwatt/firmware-protocol/log';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogBuilder } from '../src/core/log/log-builder.js';
import { NeedRows } from '../src/core/working-set.js';
import { emptyRows, withRows } from './support/rows.js';

const hasher = nobleSha256;
const data = (i: number) => Uint8Array.of(i >> 16, (i >> 8) & 255, i & 255);
const hashOf = (i: number) => leafHash(hasher, data(i));

/** Appends leaves in commits of `batch`, each by a new builder, as decisions do. */
function grow(size: number, batch: number) {
  const rows = emptyRows();
  let head: { size: number; peaks: readonly string[] } = { size: 0, peaks: [] };
  let builder = new LogBuilder(hasher, rows, head);
  for (let i = 0; i < size; i++) {
    withRows(rows, () => builder.append(hashOf(i)));
    if ((i + 1) % batch === 0 || i === size - 1) {
      builder.finish();
      rows.keepChanges();
      head = { size: builder.size, peaks: builder.peaks() };
      if (i < size - 1) builder = new LogBuilder(hasher, rows, head);
    }
  }
  return { rows, builder };
}

/** Nodes of the tree over these leaves, each computed from below. */
function nodesOf(size: number): GetNode {
  const levels = [Array.from({ length: size }, (_, i) => hashOf(i))];
  for (let below = levels[0]!; below.length > 1; below = levels.at(-1)!) {
    levels.push(
      Array.from({ length: below.length >> 1 }, (_, i) => nodeHash(hasher, below[2 * i]!, below[2 * i + 1]!)),
    );
  }
  return (level, index) => levels[level]![index]!;
}

describe('the log while it grows', () => {
  it.each([
    [1, 1],
    [255, 7],
    [256, 256],
    [257, 100],
    [700, 512],
  ])('has the root of all its leaves, and a proof of each: %i leaves, %i a commit', (size, batch) => {
    const { builder } = grow(size, batch);
    const root = treeRoot(
      hasher,
      Array.from({ length: size }, (_, i) => data(i)),
    );
    expect(toHex(builder.root())).toBe(toHex(root));
    for (const index of [0, 1, 254, 255, 256, size - 1].filter((i) => i < size)) {
      verifyInclusion(hasher, { index, size, leafHash: hashOf(index), path: builder.proof(index), root });
    }
  });

  it('proves every leaf, of this commit and of all before, as the tree of all leaves does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 600 }), fc.nat(), (size, batch, at) => {
        const { builder } = grow(size, batch);
        const whole = nodesOf(size);
        const indices = [at % size, size - 1, Math.max(0, size - batch), 0];
        for (const index of indices) {
          expect(builder.proof(index)).toEqual(inclusionProof(hasher, index, size, whole));
        }
      }),
      { numRuns: 30 },
    );
  });

  it.each([-1, 5, 0.5, Number.NaN])('has no proof for leaf %d of five', (index) => {
    const { builder } = grow(5, 5);
    expect(() => builder.proof(index)).toThrow(expect.objectContaining({ code: 'invariant' }));
  });

  it('appends a leaf wholly or, where a tile is not loaded, not at all', () => {
    const { rows, builder: before } = grow(511, 511);
    const tiles = ['00/000000000001', '01/000000000000'].map((key) => [key, rows.get('tile', key)!] as const);
    const fresh = emptyRows();
    fresh.loadRow('tile', ...tiles[0]!);
    const builder = new LogBuilder(hasher, fresh, { size: 511, peaks: before.peaks() });
    expect(() => builder.append(hashOf(511))).toThrow(NeedRows);
    fresh.loadRow('tile', ...tiles[1]!);
    expect(builder.append(hashOf(511))).toBe(511);
    builder.finish();
    const straight = grow(512, 512).rows;
    for (const [key] of tiles) expect(fresh.get('tile', key)).toEqual(straight.get('tile', key));
  });
});
