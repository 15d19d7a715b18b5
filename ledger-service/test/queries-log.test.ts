/** Proofs out of tiles: every leaf of every signed size, small trees and trees of more than one tile. */
import { nobleSha256 } from '@commonwatt/firmware-protocol';
import {
  appendLeaf,
  type CompactRange,
  EMPTY_RANGE,
  encodeEntry,
  KIND,
  leafHash,
  rangeRoot,
  signCheckpoint,
  treeRoot,
  verifyInclusion,
} from '@commonwatt/firmware-protocol/log';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { nodeHasher } from '../src/adapters/system/node-crypto.js';
import { seedSigner } from '../src/adapters/system/node-signer.js';
import { indexKey, tileKey } from '../src/core/rows.js';
import type { RowWrite } from '../src/usecases/ports.js';
import { findEntry, listEntries, newestCheckpoint, proveEntry } from '../src/usecases/queries/log.js';
import { CommunityReader } from '../src/usecases/queries/reader.js';

const hasher = nodeHasher();
const signer = seedSigner(new Uint8Array(32).fill(7));
const ORIGIN = 'ledger.example/sunny';

const leafOf = (i: number): Uint8Array => encodeEntry(KIND.gap, 1, new Map([[1, i]]));

/** A log of as many leaves, with a signed checkpoint at each of the sizes; its tiles are made here, not by the ledger. */
async function logOf(sizes: readonly number[]): Promise<CommunityReader> {
  const store = new MemoryStore();
  const tiles = new Map<string, number[]>();
  let range: CompactRange = EMPTY_RANGE;
  for (const target of sizes) {
    const { size } = range;
    const leaves = Array.from({ length: target - size }, (_, i) => leafOf(size + i));
    for (const leaf of leaves) {
      range = appendLeaf(hasher, range, leafHash(hasher, leaf), (level, node, hash) => {
        if (level % 8 !== 0) return;
        const key = tileKey(level / 8, Math.floor(node / 256));
        tiles.set(key, [...(tiles.get(key) ?? []), ...hash]);
      });
    }
    const note = signCheckpoint({ origin: ORIGIN, size: target, root: rangeRoot(hasher, range), signer, hasher });
    const writes: RowWrite[] = [
      ...leaves.map((value, i): RowWrite => ({ table: 'leaf', key: indexKey(size + i), value })),
      ...[...tiles].map(([key, bytes]): RowWrite => ({ table: 'tile', key, value: Uint8Array.from(bytes) })),
      { table: 'checkpoint', key: indexKey(target), value: note },
    ];
    await store.commit('sunny', { expectedSize: size, newSize: target, writes });
  }
  return CommunityReader.open(store, 'sunny');
}

async function check(reader: CommunityReader, index: number, size: number): Promise<void> {
  const proof = await proveEntry(reader, hasher, { index, size });
  const { root } = proof.head;
  const claim = { index, size, leafHash: leafHash(nobleSha256, leafOf(index)), path: proof.path, root };
  verifyInclusion(nobleSha256, claim);
}

describe('inclusion proofs', () => {
  it('of every leaf verify at every signed size', async () => {
    const sizes = [1, 2, 3, 7, 8, 21];
    const reader = await logOf(sizes);
    for (const size of sizes) for (let index = 0; index < size; index++) await check(reader, index, size);
  });

  it('reach over several tiles and levels of tiles', async () => {
    const sizes = [255, 256, 257, 700, 66_000];
    const reader = await logOf(sizes);
    expect((await newestCheckpoint(reader)).size).toBe(66_000);
    for (const index of [0, 255, 256, 511, 699, 65_535, 65_536, 65_999]) {
      for (const size of sizes.filter((candidate) => candidate > index)) await check(reader, index, size);
    }
    const anywhere = fc.record({ index: fc.integer({ min: 0, max: 65_999 }), size: fc.constantFrom(...sizes) });
    await fc.assert(
      fc.asyncProperty(anywhere, async ({ index, size }) => {
        if (index < size) await check(reader, index, size);
      }),
    );
  });

  it('stand on the root that was signed', async () => {
    const reader = await logOf([5, 9]);
    const leaves = Array.from({ length: 9 }, (_, i) => leafOf(i));
    expect((await newestCheckpoint(reader)).root).toEqual(treeRoot(nobleSha256, leaves));
  });
});

describe('entries', () => {
  it('come in pages that end with the log', async () => {
    const reader = await logOf([10]);
    const first = await listEntries(reader, { from: 0, limit: 4 });
    expect(first.items.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(first.nextIndex).toBe(4);
    const last = await listEntries(reader, { from: 8, limit: 4 });
    expect([last.items.length, last.nextIndex]).toEqual([2, undefined]);
    expect((await listEntries(reader, { from: 10, limit: 4 })).items).toEqual([]);
  });

  it('that the log has not reached are not found, with its size', async () => {
    const reader = await logOf([10]);
    await expect(findEntry(reader, 10)).rejects.toMatchObject({ code: 'not-found', message: /the log has 10/ });
  });
});
