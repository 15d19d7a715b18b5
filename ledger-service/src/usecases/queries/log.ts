/** The log as anyone may read it: leaf data, signed checkpoints, and proofs that a leaf stands under one. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import { bytesEqual, utf8Decode } from '@commonwatt/firmware-protocol';
import {
  decodeEntry,
  inclusionProof,
  type Kind,
  leafHash,
  parseCheckpoint,
  parseNote,
  rootFromInclusion,
} from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../../core/errors.js';
import { TILE_HASHES, TileReader } from '../../core/log/tiles.js';
import { indexKey } from '../../core/rows.js';
import { asBytes, type CommunityReader } from './reader.js';

/** Leaves of one page: with entries of the largest size that is 16 MiB. */
export const MAX_ENTRIES_A_PAGE = 256;

export interface EntryView {
  readonly index: number;
  readonly kind: Kind;
  readonly leafData: Uint8Array;
}

export interface SignedHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed note, as it was published. */
  readonly note: Uint8Array;
}

export interface EntryProof {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly head: SignedHead;
}

/** The newest signed head. Throws 'not-found' before the first. */
export async function newestCheckpoint(reader: CommunityReader): Promise<SignedHead> {
  const [newest] = await reader.sources('checkpoint', { limit: 1, reverse: true });
  if (newest === undefined) throw new LedgerError('not-found', `${reader.id}: no checkpoint was signed yet`);
  return toHead(asBytes('checkpoint', newest.value));
}

/** The head of that size. Throws 'not-found', naming the next larger size that was signed. */
export async function checkpointOf(reader: CommunityReader, size: number): Promise<SignedHead> {
  const note = await reader.source('checkpoint', indexKey(size));
  if (note !== undefined) return toHead(note);
  const [larger] = await reader.sources('checkpoint', { from: indexKey(size), limit: 1 });
  const hint = larger === undefined ? '' : `; the next that was is ${Number(larger.key)}`;
  throw new LedgerError('not-found', `${reader.id}: no checkpoint of size ${size} was signed${hint}`);
}

/** Entries from index `from` on, at most `limit`, which is at most MAX_ENTRIES_A_PAGE. */
export async function listEntries(
  reader: CommunityReader,
  { from, limit }: { readonly from: number; readonly limit: number },
): Promise<{ readonly items: readonly EntryView[]; readonly nextIndex?: number; readonly size: number }> {
  const size = await reader.size();
  const rows = await reader.sources('leaf', { from: indexKey(from), to: indexKey(size), limit });
  const items = rows.map(({ key, value }) => toEntry(Number(key), asBytes('leaf', value)));
  const nextIndex = from + items.length;
  return { items, size, ...(nextIndex < size ? { nextIndex } : {}) };
}

/** Throws 'not-found' for an index that the log has not reached. */
export async function findEntry(reader: CommunityReader, index: number): Promise<EntryView> {
  const leafData = await reader.source('leaf', indexKey(index));
  if (leafData !== undefined) return toEntry(index, leafData);
  const size = await reader.size();
  throw new LedgerError('not-found', `${reader.id}: no entry ${index}; the log has ${size}, counted from 0`);
}

/**
 * The inclusion proof of an entry, against the newest checkpoint or the one of `size`.
 * Throws 'not-found' for an entry or a size that there is not, 'bad-request' where the size does not cover the entry.
 */
export async function proveEntry(
  reader: CommunityReader,
  hasher: Hasher,
  { index, size }: { readonly index: number; readonly size?: number },
): Promise<EntryProof> {
  const { leafData } = await findEntry(reader, index);
  const head = size === undefined ? await newestCheckpoint(reader) : await checkpointOf(reader, size);
  if (index >= head.size) {
    throw new LedgerError('bad-request', `entry ${index}: expected a checkpoint larger than it, got size ${head.size}`);
  }
  const path = await pathOf(reader, hasher, index, head.size);
  const claim = { index, size: head.size, leafHash: leafHash(hasher, leafData), path };
  if (!bytesEqual(rootFromInclusion(hasher, claim), head.root)) {
    throw new LedgerError('invariant', `${reader.id}: the tiles do not lead from entry ${index} to the signed root`);
  }
  return { index, leafHash: claim.leafHash, path, head };
}

/** Which tiles a path needs is found by walking it once over blank ones: proofs are synchronous, stores are not. */
async function pathOf(reader: CommunityReader, hasher: Hasher, index: number, size: number): Promise<Uint8Array[]> {
  const wanted = new Set<string>();
  const blank = new Uint8Array(TILE_HASHES * 32);
  const probe = new TileReader(hasher, (key) => {
    wanted.add(key);
    return blank;
  });
  inclusionProof(hasher, index, size, (level, node) => probe.node(level, node));
  const keys = [...wanted];
  const tiles = await reader.rows('tile', keys);
  const byKey = new Map(keys.map((key, i) => [key, tiles[i]]));
  const tree = new TileReader(hasher, (key) => byKey.get(key));
  return inclusionProof(hasher, index, size, (level, node) => tree.node(level, node));
}

/** Our own note from our own store: its signature was made here. */
function toHead(note: Uint8Array): SignedHead {
  const { size, root } = parseCheckpoint(parseNote(note).text);
  return { size, root, note };
}

function toEntry(index: number, leafData: Uint8Array): EntryView {
  return { index, kind: decodeEntry(leafData).kind, leafData };
}

/** The note as text; notes are UTF-8 by their format. */
export function noteText(head: SignedHead): string {
  return utf8Decode(head.note);
}
