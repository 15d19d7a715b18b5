import { getPublicKey, hashes, Point, sign } from '@noble/ed25519';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { bytesEqual, concatBytes } from './bytes.js';
import { ProtocolError } from './errors.js';
import { toHex } from './hex.js';

/** Handed in: SHA-256 over the concatenation of the parts, 32 bytes. */
export interface Hasher {
  sha256(...parts: Uint8Array[]): Uint8Array;
}

/** Handed in: one Ed25519 key that signs (RFC 8032, deterministic). The private half never leaves it. */
export interface Signer {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/**
 * Handed in: the plain equation only. Recomputes S*B - k*A and compares its encoding with R byte by byte, without the
 * cofactor (OpenSSL's way, so `node:crypto` verify is one). Gets 32 and 64 bytes, S below the order, R not the identity.
 */
export type BareVerify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

/** A verdict by the one rule of PROTOCOL 1.4. Never throws: wrong lengths are false. */
export interface Verifier {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const KID_BYTES = 8;
export const HASH_BYTES = 32;

/** The order of the group, L = 2^252 + 27742317777372353535851937790883648493, little endian. */
const ORDER = Uint8Array.from(
  [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14].concat(
    new Array<number>(15).fill(0),
    0x10,
  ),
);

/**
 * The one rule for every Ed25519 verdict (PROTOCOL 1.4): 64 bytes, S below the order, R not the identity, then the plain
 * equation. The key was checked by `checkPublicKey` when it was enrolled.
 */
export function makeVerifier(bare: BareVerify): Verifier {
  return {
    verify(publicKey, message, signature) {
      if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
      return isBelowOrder(signature) && !hasIdentityR(signature) && bare(publicKey, message, signature);
    },
  };
}

/** S is the second half, little endian. An S at or above the order would give one message two signatures. */
function isBelowOrder(signature: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = signature[32 + i]! - ORDER[i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** R is the first half; the identity is 01 and 31 zero bytes. */
function hasIdentityR(signature: Uint8Array): boolean {
  if (signature[0] !== 1) return false;
  for (let i = 1; i < 32; i++) if (signature[i] !== 0) return false;
  return true;
}

/**
 * Throws `bad-public-key` unless the key may be enrolled: 32 bytes, canonical, on the curve, torsion-free, not the identity.
 */
export function checkPublicKey(key: Uint8Array): void {
  if (key.length !== PUBLIC_KEY_BYTES) throw badKey(`${PUBLIC_KEY_BYTES} bytes`, String(key.length));
  let point: Point;
  try {
    point = Point.fromBytes(key);
  } catch {
    throw badKey('the canonical encoding of a point on the curve', toHex(key));
  }
  if (point.is0()) throw badKey('a point other than the identity', toHex(key));
  if (!point.isTorsionFree()) throw badKey('a point of the prime-order group', toHex(key));
}

function badKey(expected: string, got: string): ProtocolError {
  return new ProtocolError('bad-public-key', `public key: expected ${expected}, got ${got}`);
}

/** SHA-256 in plain JavaScript: for pages and tests. */
export const nobleSha256: Hasher = {
  sha256(...parts) {
    const hash = sha256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
};

/** The one rule in plain JavaScript: same verdicts as `makeVerifier` over `node:crypto`, a tenth of its speed. */
export const nobleVerifier: Verifier = makeVerifier((publicKey, message, signature) => {
  const r = signature.subarray(0, 32);
  let a: Point;
  try {
    a = Point.fromBytes(publicKey);
  } catch {
    return false;
  }
  const s = littleEndian(signature.subarray(32));
  const k = littleEndian(sha512(concatBytes(r, publicKey, message))) % Point.CURVE().n;
  const expectedR = Point.BASE.multiply(s, false).subtract(a.multiply(k, false));
  return bytesEqual(expectedR.toBytes(), r);
});

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}

/** Signs in plain JavaScript with a key held in memory. `seed` is the 32-byte private key of RFC 8032. */
export function nobleSigner(seed: Uint8Array): Signer {
  if (seed.length !== 32) throw new ProtocolError('out-of-range', `seed: expected 32 bytes, got ${seed.length}`);
  hashes.sha512 = sha512;
  const secret = Uint8Array.from(seed);
  return { publicKey: getPublicKey(secret), sign: (message) => sign(message, secret) };
}

/** The name of a key in messages: the first 8 bytes of the SHA-256 of its 32 bytes. */
export function keyId(hasher: Hasher, publicKey: Uint8Array): Uint8Array {
  return hasher.sha256(publicKey).slice(0, KID_BYTES);
}
