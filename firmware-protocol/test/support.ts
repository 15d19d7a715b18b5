import { createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { makeVerifier, type Verifier } from '../src/crypto.js';
import { ProtocolError } from '../src/errors.js';
import type { FramePayload } from '../src/frame.js';
import { fromHex } from '../src/hex.js';

/** A refusal of this package as "code: what: expected"; anything but a refusal fails the test. */
export function refusal(action: () => unknown): { code: string; says: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return { code: error.code, says: error.message.replace(/, got .*$/s, '') };
    throw error;
  }
  return { code: 'not refused', says: '' };
}

/** The code alone. */
export function codeOf(action: () => unknown): string {
  return refusal(action).code;
}

const SPKI_ED25519 = fromHex('302a300506032b6570032100');

/** The rule over `node:crypto`, as server and gateway use it. */
export const nodeVerifier: Verifier = makeVerifier((publicKey, message, signature) => {
  const key = createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: 'der', type: 'spki' });
  return verify(null, message, key, signature);
});

/** Published vectors lie beside the repository, where they are present. */
const PUBLISHED = new URL('../../../shared/vectors/', import.meta.url);

export const hasPublished = existsSync(PUBLISHED);
/** Put behind the name of a test that needs them, so that a skip says why. */
export const publishedNote = hasPublished ? '' : ' (skipped: ../shared/vectors is not there)';

export function published(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, PUBLISHED), 'utf8'));
}

/** A frame as it stands in a vector file: bytes in hex, counters in decimal. */
export interface FrameJson extends Omit<FramePayload, 'previous' | 'channels' | 'seen'> {
  readonly previous: string;
  readonly channels: readonly (Omit<FramePayload['channels'][number], 'first'> & { readonly first: string })[];
  readonly seen?: { readonly size: number; readonly rootStart: string };
}

export function frameOf(json: unknown): FramePayload {
  const { previous, channels, seen, ...rest } = json as FrameJson;
  return {
    ...rest,
    previous: fromHex(previous),
    channels: channels.map((channel) => ({ ...channel, first: BigInt(channel.first) })),
    ...(seen && { seen: { size: seen.size, rootStart: fromHex(seen.rootStart) } }),
  };
}

/** Small, fast, seeded: the same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export const bytesOf = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
