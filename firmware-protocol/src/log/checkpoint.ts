import { fromBase64, toBase64 } from '../base64.js';
import { bytesEqual } from '../bytes.js';
import { HASH_BYTES, type Hasher, type Signer, type Verifier } from '../crypto.js';
import { ProtocolError } from '../errors.js';
import { emptyRoot } from './merkle.js';
import { signNote, verifyNote } from './note.js';

/** The head of a log: which log, how many leaves, and the root over them. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

// At most 16 digits, so that the number is exact; no leading zero (C2SP tlog-checkpoint).
const SIZE_PATTERN = /^(?:0|[1-9][0-9]{0,15})$/;

/** LOG 9.2, C2SP tlog-checkpoint: origin, size, base64 of the root, each on its own line. Throws `bad-checkpoint`. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const text = `${checkpoint.origin}\n${checkpoint.size}\n${toBase64(checkpoint.root)}\n`;
  parseCheckpoint(text);
  return text;
}

/** Untrusted until the note around it is verified. Exactly three lines, no extensions. Throws `bad-checkpoint`. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  if (lines.length !== 4 || lines[3] !== '') {
    throw new ProtocolError('bad-checkpoint', `expected exactly three lines with newlines, got ${lines.length - 1}`);
  }
  const [origin, size, root] = lines as [string, string, string, string];
  if (origin === '') throw new ProtocolError('bad-checkpoint', 'origin: expected not empty');
  return { origin, size: parseSize(size), root: parseRoot(root) };
}

function parseSize(text: string): number {
  const size = Number(text);
  if (!SIZE_PATTERN.test(text) || !Number.isSafeInteger(size)) {
    const got = text.slice(0, 40);
    throw new ProtocolError('bad-checkpoint', `size: expected decimal up to 2^53 - 1, no leading zero, got "${got}"`);
  }
  return size;
}

function parseRoot(text: string): Uint8Array {
  const root = decodeRoot(text);
  if (root.length !== HASH_BYTES) {
    throw new ProtocolError('bad-checkpoint', `root: expected ${HASH_BYTES} bytes, got ${root.length}`);
  }
  return root;
}

function decodeRoot(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new ProtocolError('bad-checkpoint', `root: expected standard base64, got "${text.slice(0, 60)}"`, { cause });
  }
}

/**
 * Signs a head; the key's name is the origin. The caller answers for consistency with every head signed before.
 * Throws `bad-checkpoint`, or `bad-note` on an origin that cannot be a key name.
 */
export function signCheckpoint(checkpoint: Checkpoint & { signer: Signer; hasher: Hasher }): Uint8Array {
  const { origin, signer, hasher } = checkpoint;
  return signNote({ text: formatCheckpoint(checkpoint), name: origin, signer, hasher });
}

/**
 * Verifies a signed checkpoint of the log `origin`. Lines of others (cosignatures) are passed over.
 * Throws `bad-note` where the log's signature is missing or does not hold, `bad-checkpoint` on a wrong text or origin.
 */
export function openCheckpoint(input: {
  note: Uint8Array;
  origin: string;
  logKey: Uint8Array;
  hasher: Hasher;
  verifier: Verifier;
}): Checkpoint {
  const { note, origin, logKey, hasher, verifier } = input;
  const { text } = verifyNote({ note, keys: [{ name: origin, publicKey: logKey }], verifier, hasher });
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== origin) {
    throw new ProtocolError('bad-checkpoint', `origin: expected ${origin}, got ${checkpoint.origin.slice(0, 200)}`);
  }
  if (checkpoint.size === 0 && !bytesEqual(checkpoint.root, emptyRoot(hasher))) {
    throw new ProtocolError('bad-checkpoint', 'root: expected that of the empty tree for size 0');
  }
  return checkpoint;
}
