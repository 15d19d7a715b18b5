import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromHex, nobleSha256, nobleVerifier, type Verifier } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import {
  generateKeyPem,
  nodeHasher,
  nodeSigner,
  nodeVerifier,
  parseKeyPem,
  rememberingVerifier,
} from '../src/adapters/system/node-crypto.js';

const VECTORS = fileURLToPath(new URL('../../../shared/vectors/ed25519/wycheproof_ed25519_test.json', import.meta.url));
const HAS_VECTORS = existsSync(VECTORS);

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
}

describe("the box's cryptography", () => {
  it('hashes as the protocol does', () => {
    const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)];
    expect(nodeHasher.sha256(...parts)).toEqual(nobleSha256.sha256(...parts));
  });

  it('signs what every verifier of the project takes', () => {
    const signer = nodeSigner(parseKeyPem(generateKeyPem())!);
    const message = Uint8Array.of(1, 2, 3);
    const signature = signer.sign(message);
    expect(signer.sign(message)).toEqual(signature);
    expect(nodeVerifier.verify(signer.publicKey, message, signature)).toBe(true);
    expect(nobleVerifier.verify(signer.publicKey, message, signature)).toBe(true);
  });

  it.skipIf(!HAS_VECTORS)(
    `gives the Wycheproof verdicts${HAS_VECTORS ? '' : ' (skipped: ../shared/vectors is not here)'}`,
    () => {
      const { testGroups } = JSON.parse(readFileSync(VECTORS, 'utf8')) as Wycheproof;
      const wrong = testGroups.flatMap(({ publicKey, tests }) =>
        tests.filter(({ msg, sig, result }) => {
          const holds = nodeVerifier.verify(fromHex(publicKey.pk), fromHex(msg), fromHex(sig));
          return holds !== (result === 'valid');
        }),
      );
      expect(wrong.map(({ tcId }) => tcId)).toEqual([]);
      expect(testGroups.flatMap(({ tests }) => tests).length).toBeGreaterThan(100);
    },
  );

  it('refuses wrong lengths without throwing', () => {
    for (const length of [0, 31, 33, 64]) {
      expect(nodeVerifier.verify(new Uint8Array(length), new Uint8Array(1), new Uint8Array(64))).toBe(false);
    }
  });

  it('remembers a verdict for exactly the same bytes and no others', () => {
    let asked = 0;
    const inner: Verifier = {
      verify(_key, message) {
        asked++;
        return message[0] === 1;
      },
    };
    const verifier = rememberingVerifier(inner);
    const key = new Uint8Array(32);
    const signature = new Uint8Array(64);
    for (let i = 0; i < 3; i++) expect(verifier.verify(key, Uint8Array.of(1), signature)).toBe(true);
    expect(asked).toBe(1);
    expect(verifier.verify(key, Uint8Array.of(2), signature)).toBe(false);
    expect(verifier.verify(Uint8Array.from(key).fill(1), Uint8Array.of(1), signature)).toBe(true);
    expect(asked).toBe(3);
  });
});
