/** The log as its readers have it: the root is that of its leaves, and everything that was ever promised is in it. */
import { createHash } from 'node:crypto';
import {
  fromBase64,
  fromHex,
  type Hasher,
  parseAnswerMessage,
  toHex,
  type verifyGrant,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import {
  appendLeaf,
  type CompactRange,
  EMPTY_RANGE,
  frameLeaf,
  leafHash,
  openCheckpoint,
  rangeRoot,
  treeRoot,
} from '@commonwatt/firmware-protocol/log';
import { nodeVerifier } from '../../e2e/support/node-keys.js';
import { expectThat } from '../expect-that.js';
import type { Rest } from '../rest.js';
import type { World } from '../world.js';
import type { SignedFrame } from './chains.js';

const hasher: Hasher = {
  sha256: (...parts) => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

export interface Log {
  readonly leaves: readonly Uint8Array[];
  readonly kinds: Readonly<Record<string, number>>;
  readonly root: string;
}

interface EntryPage {
  readonly items: readonly { readonly index: number; readonly kind_name: string; readonly leaf: string }[];
  readonly next?: string;
}

/** All leaves by REST; throws unless their root is the one that the newest checkpoint signs. */
export async function readLog(world: World, rest: Rest): Promise<Log> {
  const leaves: Uint8Array[] = [];
  const kinds: Record<string, number> = {};
  const note = await rest.text('/log/checkpoint');
  const head = open(world, Buffer.from(note));
  for (let next: string | undefined = '0'; next !== undefined; ) {
    const page: EntryPage = await rest.get(`/log/entries?from=${next}&limit=256`);
    for (const { index, kind_name: kind, leaf } of page.items) {
      expectThat(index === leaves.length, `the log has entry ${index} where ${leaves.length} was expected`);
      leaves.push(fromBase64(leaf));
      kinds[kind] = (kinds[kind] ?? 0) + 1;
    }
    next = page.next;
  }
  expectThat(head.size <= leaves.length, `the checkpoint names ${head.size} entries, the log has ${leaves.length}`);
  const signed = toHex(treeRoot(hasher, leaves.slice(0, head.size)));
  expectThat(signed === toHex(head.root), `the root of ${head.size} leaves is not the one that the checkpoint signs`);
  return { leaves, kinds, root: toHex(treeRoot(hasher, leaves)) };
}

interface LogPromise {
  readonly what: string;
  readonly size: number;
  readonly root: string;
}

export interface Proved {
  readonly receipts: number;
  readonly checkpoints: number;
}

/**
 * Every receipt and checkpoint that was ever on the wire: its signature and path hold, the leaf that it names is in the final
 * log at that place, and its root is what the final log's first leaves give, so the final tree goes on from it.
 */
export function proveAll(world: World, log: Log, frames: readonly SignedFrame[]): Proved {
  const promises = [...receiptPromises(world, log, frames), ...checkpointPromises(world)];
  const roots = rootsAt(log, new Set(promises.map(({ size }) => size)));
  for (const { what, size, root } of promises) {
    expectThat(size <= log.leaves.length, `${what} names ${size} entries, the final log has ${log.leaves.length}`);
    expectThat(roots.get(size) === root, `${what} names a root at ${size} entries that the final log does not have`);
  }
  const receipts = promises.filter(({ what }) => what.startsWith('a receipt')).length;
  return { receipts, checkpoints: promises.length - receipts };
}

function receiptPromises(world: World, log: Log, frames: readonly SignedFrame[]): readonly LogPromise[] {
  const byHash = new Map(frames.map((frame) => [frame.hash, frame]));
  const answered = new Set<string>();
  const promises: LogPromise[] = [];
  for (const { topic, bytes } of world.recorder.answers.values()) {
    const opened = parseAnswerMessage(bytes);
    // Refusals go to whoever bent a frame or made one up; they promise nothing.
    if (opened.kind === 'signed') continue;
    const hash = toHex(opened.answer.messageHash);
    const frame = byHash.get(hash);
    expectThat(frame !== undefined, `${topic}: a receipt for a message that no box was seen to sign (${hash})`);
    expectThat(opened.kind === 'receipt', `${topic}: a grant for a frame (${hash})`);
    const { home, number, message } = frame;
    const what = `a receipt for ${home} number ${number}`;
    const proved = proveReceipt(world, { answer: opened.answer, message, what });
    const { salt, receivedS } = opened.answer;
    const leaf = frameLeaf(hasher, { salt, receivedS, message });
    const isThere = Buffer.from(leaf).equals(log.leaves[proved.index] ?? new Uint8Array());
    expectThat(isThere, `${what} names entry ${proved.index}, which is another in the final log`);
    promises.push({ what, size: proved.checkpoint.size, root: toHex(proved.checkpoint.root) });
    answered.add(hash);
  }
  const silent = frames.find(({ hash }) => !answered.has(hash));
  expectThat(silent === undefined, `${silent?.home} number ${silent?.number}: signed and sent, but never answered`);
  return promises;
}

function proveReceipt(
  world: World,
  input: { answer: Parameters<typeof verifyGrant>[0]['answer']; message: Uint8Array; what: string },
): ReturnType<typeof verifyReceipt> {
  const { answer, message, what } = input;
  const logKey = fromHex(world.coOp.logKey);
  try {
    return verifyReceipt({ answer, message, origin: world.coOp.origin, logKey, hasher, verifier: nodeVerifier });
  } catch (error) {
    expectThat(false, `${what} does not prove: ${String(error)}`);
  }
}

function checkpointPromises(world: World): readonly LogPromise[] {
  return [...world.recorder.checkpoints.values()].map(({ bytes }) => {
    const { size, root } = open(world, bytes);
    return { what: 'a checkpoint', size, root: toHex(root) };
  });
}

function open(world: World, note: Uint8Array): { readonly size: number; readonly root: Uint8Array } {
  const { origin, logKey } = world.coOp;
  return openCheckpoint({
    note: Uint8Array.from(note),
    origin,
    logKey: fromHex(logKey),
    hasher,
    verifier: nodeVerifier,
  });
}

function rootsAt(log: Log, sizes: ReadonlySet<number>): ReadonlyMap<number, string> {
  const roots = new Map<number, string>();
  let range: CompactRange = EMPTY_RANGE;
  for (const data of log.leaves) {
    range = appendLeaf(hasher, range, leafHash(hasher, data));
    if (sizes.has(range.size)) roots.set(range.size, toHex(rangeRoot(hasher, range)));
  }
  return roots;
}
