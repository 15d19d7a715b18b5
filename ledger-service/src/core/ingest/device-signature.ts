/** Keys and external data in bytes, made once for as long as the row or the genesis that they come from is at hand. */
import { externalData, fromHex, type SealedKind } from '@commonwatt/firmware-protocol';
import type { CommunityRow, DeviceRow } from '../rows.js';
import type { SignedAs } from './prepared-message.js';

type Genesis = CommunityRow['genesis'];

const KEYS = new WeakMap<DeviceRow, Uint8Array>();
const EXTERNAL = new WeakMap<Genesis, Map<SealedKind, Uint8Array>>();

/** As what a message of this device has to be signed. */
export function signedAs(device: DeviceRow, genesis: Genesis, kind: SealedKind): SignedAs {
  return { publicKey: publicKeyOf(device), external: externalOf(genesis, kind) };
}

function publicKeyOf(device: DeviceRow): Uint8Array {
  let key = KEYS.get(device);
  if (key === undefined) {
    key = fromHex(device.publicKey);
    KEYS.set(device, key);
  }
  return key;
}

function externalOf(genesis: Genesis, kind: SealedKind): Uint8Array {
  let kinds = EXTERNAL.get(genesis);
  if (kinds === undefined) {
    kinds = new Map();
    EXTERNAL.set(genesis, kinds);
  }
  let data = kinds.get(kind);
  if (data === undefined) {
    data = externalData(genesis.origin, kind);
    kinds.set(kind, data);
  }
  return data;
}
