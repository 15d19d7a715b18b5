import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Hasher, nobleSigner, type Signer } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../src/core/errors.js';

/** A golden entry of tests/vectors, with its fields in the shape of this package. */
export interface GoldenEntry {
  readonly desc: string;
  readonly origin: string;
  readonly kind: number;
  /** The shape is that of the kind, which only the test knows: `never` fits every encoder. */
  readonly fields: never;
  readonly [more: string]: unknown;
}

const folder = new URL('../../tests/vectors/', import.meta.url);

export function readVectors(name: string): GoldenEntry {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'), revive) as GoldenEntry;
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (/^0x([0-9a-f]{2})*$/.test(value)) return fromHex(value.slice(2));
  return /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
}

export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const signerOf = (seed: unknown): Signer => nobleSigner(fromHex(seed as string));

/** The public key of the seed that is this byte, 32 times. */
export const publicKeyOf = (fill: number): Uint8Array => nobleSigner(new Uint8Array(32).fill(fill)).publicKey;
export const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);

export const hasher: Hasher = {
  sha256(...parts) {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

/** The code of the refusal; anything else that is thrown fails the test. */
export function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof LedgerError) return error.code;
    throw error;
  }
  return 'not refused';
}
