import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Signer } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';

const SEED_BYTES = 32;
/** RFC 8410 7: a PrivateKeyInfo for Ed25519, up to the seed's 32 bytes. */
const PRIVATE_KEY_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Signs with OpenSSL. Throws 'bad-file' unless the key is a private Ed25519 key. */
export function nodeSigner(privateKey: KeyObject): Signer {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519') {
    const got = privateKey.asymmetricKeyType ?? privateKey.type;
    throw new LedgerError('bad-file', `key: expected a private Ed25519 key, got ${got}`);
  }
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  return {
    publicKey: Uint8Array.from(Buffer.from(x ?? '', 'base64url')),
    sign: (message) => Uint8Array.from(sign(null, message, privateKey)),
  };
}

/** A signer from the 32-byte seed of RFC 8032. Throws 'bad-request' for another length. */
export function seedSigner(seed: Uint8Array): Signer {
  if (seed.length !== SEED_BYTES) {
    throw new LedgerError('bad-request', `seed: expected ${SEED_BYTES} bytes, got ${seed.length}`);
  }
  const key = Buffer.concat([PRIVATE_KEY_PREFIX, seed]);
  return nodeSigner(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
}
