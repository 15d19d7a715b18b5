/** What a command needs to sign as the operator, whether the ledger is being served or lies still. */
import { toBase64 } from '@commonwatt/firmware-protocol';
import { nodeHasher } from '../adapters/system/node-crypto.js';
import type { SignedByOperator, Signing } from './community-setup.js';
import type { DataFolder } from './data-folder.js';
import { type Door, type Json, textOf } from './door.js';

/** `about`: what the ledger says of the community now. Throws 'bad-file' where the operator's key is not in the folder. */
export function signingFor(folder: DataFolder, community: string, about: Json): Signing {
  return {
    origin: textOf(about, 'origin'),
    operator: folder.readKey(community, 'operator'),
    hasher: nodeHasher(),
    nextNumber: Number(about.next_number),
  };
}

/** All of them or none. Returns their indices in the log. */
export async function submitSigned(
  door: Door,
  community: string,
  signed: readonly SignedByOperator[],
): Promise<readonly number[]> {
  const entries = signed.map(({ kind, cose }) => ({ kind, cose: toBase64(cose) }));
  const { indices } = await door.post(`/v1/communities/${community}/entries`, { entries });
  return indices as readonly number[];
}
