import { createHash, createPublicKey, hash, type KeyObject, verify as opensslVerify, randomBytes } from 'node:crypto';
import { type Hasher, makeVerifier, type Verifier } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import type { Crypto } from '../../usecases/ports.js';

/** Keys kept ready for OpenSSL; making one costs as much as a third of a verdict. About 1 KiB each. */
export const MAX_CACHED_KEYS = 10_000;

const HASH_BYTES = 32;
/** What is joined in one buffer before it is hashed in one call; longer inputs are fed in parts. */
const SCRATCH_BYTES = 16_384;
const MAX_RANDOM_BYTES = 65_536;
/** RFC 8410 4: a SubjectPublicKeyInfo for Ed25519, up to the key's 32 bytes. */
const PUBLIC_KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Hash, verdicts and chance from OpenSSL. One a process: the verifier keeps the keys it has seen. */
export function nodeCrypto(): Crypto {
  return { hasher: nodeHasher(), verifier: nodeVerifier(), randomBytes: randomUint8Array };
}

/** SHA-256 in one call without an object for it: five times as fast on the short inputs of a tree as `createHash`. */
export function nodeHasher(): Hasher {
  const scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  return {
    sha256(...parts) {
      if (parts.length === 1) return latin1ToBytes(hash('sha256', parts[0]!, 'binary'));
      let length = 0;
      for (const part of parts) length += part.length;
      if (length > SCRATCH_BYTES) return hashInParts(parts);
      let at = 0;
      for (const part of parts) {
        scratch.set(part, at);
        at += part.length;
      }
      return latin1ToBytes(hash('sha256', scratch.subarray(0, length), 'binary'));
    },
  };
}

// A string of 256 code points leaves OpenSSL's binding three times as fast as a Buffer does.
function latin1ToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(HASH_BYTES);
  for (let i = 0; i < HASH_BYTES; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function hashInParts(parts: readonly Uint8Array[]): Uint8Array {
  const running = createHash('sha256');
  for (const part of parts) running.update(part);
  return Uint8Array.from(running.digest());
}

/** The project's one rule (PROTOCOL 1.4) over OpenSSL's equation, with the key objects of the newest `maxKeys` keys. */
export function nodeVerifier(maxKeys = MAX_CACHED_KEYS): Verifier {
  const keys = new PublicKeys(maxKeys);
  return makeVerifier((publicKey, message, signature) => {
    const key = keys.of(publicKey);
    return key !== undefined && opensslVerify(null, message, key, signature);
  });
}

/** Key objects by key, the least recently used dropped first. */
class PublicKeys {
  readonly #maxKeys: number;
  readonly #objects = new Map<string, KeyObject>();

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  /** undefined when OpenSSL does not take the bytes as a key. */
  of(publicKey: Uint8Array): KeyObject | undefined {
    const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('latin1');
    const known = this.#objects.get(name);
    if (known !== undefined) {
      // While there is room for as many again nobody has to go, and the order does not matter.
      if (2 * this.#objects.size > this.#maxKeys) {
        this.#objects.delete(name);
        this.#objects.set(name, known);
      }
      return known;
    }
    const made = toKeyObject(publicKey);
    if (made !== undefined) this.#keep(name, made);
    return made;
  }

  #keep(name: string, key: KeyObject): void {
    if (this.#objects.size >= this.#maxKeys) {
      const [oldest] = this.#objects.keys();
      if (oldest !== undefined) this.#objects.delete(oldest);
    }
    this.#objects.set(name, key);
  }
}

function toKeyObject(publicKey: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.concat([PUBLIC_KEY_PREFIX, publicKey]), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

/** Throws 'bad-request' unless `0 <= count <= 65,536`. */
function randomUint8Array(count: number): Uint8Array {
  if (!Number.isInteger(count) || count < 0 || count > MAX_RANDOM_BYTES) {
    throw new LedgerError('bad-request', `random bytes: expected 0 to ${MAX_RANDOM_BYTES}, got ${count}`);
  }
  return Uint8Array.from(randomBytes(count));
}
