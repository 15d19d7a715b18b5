/** Private entries (LOG 4): commitments, and salts that a rebuild draws from nothing but keys and contents. */
import { CborWriter, HASH_BYTES, type Hasher } from '@commonwatt/firmware-protocol';
import { commitment, type Kind, privateEntry, SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../errors.js';
import { sameBytes } from './fields.js';

export const PRIVACY_KEY_BYTES = 32;

const HMAC_BLOCK_BYTES = 64;
/** Heads of the list, the kind, the index and the hash, and the hash. */
const SALT_INPUT_BYTES = 1 + 9 + 9 + 2 + HASH_BYTES;
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/** RFC 2104 with SHA-256. */
export function hmacSha256(hasher: Hasher, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const { inner, outer } = padsOf(hasher, key);
  return hasher.sha256(outer, hasher.sha256(inner, ...parts));
}

interface Pads {
  readonly inner: Uint8Array;
  readonly outer: Uint8Array;
}

/** A key is used for every content of its member: its pads stay as long as it does. */
const PADS = new WeakMap<Uint8Array, Pads>();

function padsOf(hasher: Hasher, key: Uint8Array): Pads {
  const known = PADS.get(key);
  if (known !== undefined) return known;
  const block = new Uint8Array(HMAC_BLOCK_BYTES);
  block.set(key.length > HMAC_BLOCK_BYTES ? hasher.sha256(key) : key);
  const inner = new Uint8Array(HMAC_BLOCK_BYTES);
  const outer = new Uint8Array(HMAC_BLOCK_BYTES);
  for (let i = 0; i < HMAC_BLOCK_BYTES; i++) {
    inner[i] = block[i]! ^ INNER_PAD;
    outer[i] = block[i]! ^ OUTER_PAD;
  }
  const pads = { inner, outer };
  PADS.set(key, pads);
  return pads;
}

/** What a salt is drawn for. `index` is the entry's own in the log; for a seal's leaf, that of the seal. */
export interface SaltInput {
  readonly privacyKey: Uint8Array;
  readonly kind: Kind;
  readonly index: number;
  readonly content: Uint8Array;
}

/** LOG 4.3: the first 16 bytes of HMAC-SHA-256(privacy key, CBOR `[kind, index, SHA-256(content)]`). */
export function deriveSalt(hasher: Hasher, salted: SaltInput): Uint8Array {
  const { privacyKey, kind, index, content } = salted;
  if (privacyKey.length !== PRIVACY_KEY_BYTES) {
    throw new LedgerError('invariant', `privacy key: expected ${PRIVACY_KEY_BYTES} bytes, got ${privacyKey.length}`);
  }
  const input = new CborWriter(SALT_INPUT_BYTES).array(3).uint(kind).uint(index);
  const drawn = hmacSha256(hasher, privacyKey, input.bytes(hasher.sha256(content)).finish());
  return drawn.slice(0, SALT_BYTES);
}

/** A content closed under its commitment, with the salt that opens it. */
export interface Closed {
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
}

/** LOG 4.1: draws the salt and makes the commitment. */
export function closeContent(hasher: Hasher, input: SaltInput): Closed {
  const salt = deriveSalt(hasher, input);
  return { salt, commitment: commitment(hasher, salt, input.content) };
}

/** LOG 4.1: the leaf data of a private entry that will stand at `index`, with the salt that opens it. */
export function makePrivateEntry(hasher: Hasher, input: SaltInput): { salt: Uint8Array; leafData: Uint8Array } {
  const closed = closeContent(hasher, input);
  return { salt: closed.salt, leafData: privateEntry(input.kind, closed.commitment) };
}

/** Whether a salt and a content open a commitment. */
export function opens(
  hasher: Hasher,
  opening: { readonly commitment: Uint8Array; readonly salt: Uint8Array; readonly content: Uint8Array },
): boolean {
  if (opening.salt.length !== SALT_BYTES) return false;
  return sameBytes(commitment(hasher, opening.salt, opening.content), opening.commitment);
}
