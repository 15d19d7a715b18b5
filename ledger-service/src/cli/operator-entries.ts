/** What a command needs to sign as the operator, whether the ledger is being served or lies still. */
import { existsSync } from 'node:fs';
import { toBase64 } from '@commonwatt/firmware-protocol';
import { readKeyFile } from '../adapters/system/key-file.js';
import { nodeHasher } from '../adapters/system/node-crypto.js';
import { LedgerError } from '../core/errors.js';
import type { SignedByOperator, Signing } from './community-setup.js';
import { DataFolder } from './data-folder.js';
import { type Door, type Json, textOf } from './door.js';

export interface OperatorOptions {
  readonly data: string;
  readonly community?: string;
  /** Absent: in the data folder. */
  readonly operatorKey?: string;
}

/** `about`: what the ledger says of the community now. Throws 'bad-file' where the operator's key is not to be had. */
export function signingFor({ data, operatorKey }: OperatorOptions, community: string, about: Json): Signing {
  return {
    origin: textOf(about, 'origin'),
    operator: readKeyFile(operatorKey ?? ownKeyFile(data, community)),
    hasher: nodeHasher(),
    nextNumber: Number(about.next_number),
  };
}

function ownKeyFile(data: string, community: string): string {
  const file = new DataFolder(data).keyFile(community, 'operator');
  if (existsSync(file)) return file;
  throw new LedgerError('bad-file', `${file} is not there: name the operator's key with --operator-key FILE`);
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
