import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomInt,
  sign,
  verify,
} from 'node:crypto';
import { bytesEqual, type Hasher, makeVerifier, type Signer, type Verifier } from '@commonwatt/firmware-protocol';

/** SHA-256 by OpenSSL. */
export const nodeHasher: Hasher = {
  sha256(...parts) {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

/** Public keys as OpenSSL wants them: the SPKI prefix of Ed25519 (RFC 8410) before the 32 bytes. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** A box checks with two keys, the log's and the answers'; a process that hosts many boxes has a few more. */
const MAX_CACHED_KEYS = 64;

const keyObjects = new Map<string, KeyObject>();

function toKeyObject(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString('latin1');
  const known = keyObjects.get(name);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  if (keyObjects.size >= MAX_CACHED_KEYS) keyObjects.clear();
  keyObjects.set(name, key);
  return key;
}

/** The one Ed25519 rule of PROTOCOL 1.4 over OpenSSL's plain equation. */
export const nodeVerifier: Verifier = makeVerifier((publicKey, message, signature) => {
  try {
    return verify(null, message, toKeyObject(publicKey), signature);
  } catch {
    return false;
  }
});

/** Signs with a key that stays inside OpenSSL. */
export function nodeSigner(privateKey: KeyObject): Signer {
  return {
    publicKey: publicBytes(privateKey),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  };
}

/** The 32 bytes of an Ed25519 public key. */
export function publicBytes(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length));
}

/** A new device key as PKCS #8 PEM, the form in which it is kept. */
export function generateKeyPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** The key of a PEM text; undefined if the text is no Ed25519 private key. */
export function parseKeyPem(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey({ key: pem, format: 'pem' });
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Chance for the spread of repeats, 0 <= value < 1. */
export function randomFraction(): number {
  return randomInt(2 ** 32) / 2 ** 32;
}

/** Verdicts that are remembered: one note proves a whole commit, so its receipts ask for the same one many times. */
const MAX_REMEMBERED = 256;

/**
 * A verifier that remembers its last verdicts by their exact bytes. Receipts of one commit carry the same signed
 * checkpoint, so a process that hosts many boxes checks it once.
 */
export function rememberingVerifier(verifier: Verifier): Verifier {
  const remembered = new Map<string, { publicKey: Uint8Array; message: Uint8Array; verdict: boolean }>();
  return {
    verify(publicKey, message, signature) {
      const name = Buffer.from(signature).toString('latin1');
      const known = remembered.get(name);
      if (known !== undefined && bytesEqual(known.publicKey, publicKey) && bytesEqual(known.message, message)) {
        return known.verdict;
      }
      const verdict = verifier.verify(publicKey, message, signature);
      if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
      remembered.set(name, { publicKey: publicKey.slice(), message: message.slice(), verdict });
      return verdict;
    },
  };
}
