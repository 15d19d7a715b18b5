/** Names of keys and of what a community is called in signatures. */
import { type Hasher, keyId, toHex } from '@commonwatt/firmware-protocol';

/** The kid in hex: how rows name a device. */
export function keyIdHex(hasher: Hasher, publicKey: Uint8Array): string {
  return toHex(keyId(hasher, publicKey));
}
