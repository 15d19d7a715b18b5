import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fromHex, nobleSha256, nobleSigner, nobleVerifier, toHex } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import vectors from '../../firmware-protocol/vectors/ed25519.json' with { type: 'json' };
import { nodeCrypto, nodeHasher, nodeVerifier } from '../src/adapters/system/node-crypto.js';
import { nodeSigner, seedSigner } from '../src/adapters/system/node-signer.js';

const WYCHEPROOF = new URL('../../../shared/vectors/ed25519/wycheproof_ed25519_test.json', import.meta.url);
const hasWycheproof = existsSync(WYCHEPROOF);

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly { tcId: number; msg: string; sig: string; result: string }[];
  }[];
}

describe('the hasher', () => {
  const hasher = nodeHasher();

  it('is SHA-256 over the concatenation of any parts', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (parts) => {
        expect(hasher.sha256(...parts)).toEqual(nobleSha256.sha256(...parts));
      }),
    );
  });

  it.each([0, 1, 55, 64, 16_383, 16_384, 16_385, 100_000])('hashes %i bytes in one part and in three', (length) => {
    const bytes = new Uint8Array(length).map((_, i) => i * 31);
    const expected = createHash('sha256').update(bytes).digest('hex');
    const third = Math.floor(length / 3);
    const parts = [bytes.subarray(0, third), bytes.subarray(third, 2 * third), bytes.subarray(2 * third)];
    expect(toHex(hasher.sha256(bytes))).toBe(expected);
    expect(toHex(hasher.sha256(...parts))).toBe(expected);
  });

  it('gives hashes that later calls do not change', () => {
    const one = hasher.sha256(Uint8Array.of(1), Uint8Array.of(2));
    const before = toHex(one);
    hasher.sha256(Uint8Array.of(3), Uint8Array.of(4));
    expect(toHex(one)).toBe(before);
    expect(one.constructor).toBe(Uint8Array);
  });
});

describe('the verifier', () => {
  it.each(vectors.signatures)('$desc: $valid', ({ publicKey, message, signature, valid }) => {
    expect(nodeVerifier().verify(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(valid);
  });

  it.skipIf(!hasWycheproof)('gives every Wycheproof verdict (skipped where the published file is absent)', () => {
    const { testGroups } = JSON.parse(readFileSync(WYCHEPROOF, 'utf8')) as Wycheproof;
    const verifier = nodeVerifier();
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, msg, sig, result } of tests) {
        expect(verifier.verify(fromHex(publicKey.pk), fromHex(msg), fromHex(sig)), `${tcId}`).toBe(result === 'valid');
      }
    }
  });

  it('agrees with plain JavaScript on signatures with a byte changed', () => {
    const verifier = nodeVerifier();
    const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(seed, fc.uint8Array({ maxLength: 80 }), fc.nat(63), fc.nat(255), (bytes, message, at, byte) => {
        const signer = nobleSigner(bytes);
        const signature = signer.sign(message).with(at, byte);
        const verdict = nobleVerifier.verify(signer.publicKey, message, signature);
        expect(verifier.verify(signer.publicKey, message, signature)).toBe(verdict);
      }),
      { numRuns: 60 },
    );
  });

  it('is false, not an error, for wrong lengths and bytes that are no key', () => {
    const verifier = nodeVerifier();
    for (const keyLength of [0, 31, 33])
      expect(verifier.verify(new Uint8Array(keyLength), new Uint8Array(3), new Uint8Array(64))).toBe(false);
    for (const length of [0, 63, 65])
      expect(verifier.verify(new Uint8Array(32), new Uint8Array(3), new Uint8Array(length))).toBe(false);
    expect(verifier.verify(new Uint8Array(32).fill(255), new Uint8Array(3), new Uint8Array(64))).toBe(false);
  });

  it('gives the same verdicts when it has to forget keys', () => {
    const verifier = nodeVerifier(3);
    const message = Uint8Array.of(1, 2, 3);
    const signers = Array.from({ length: 8 }, (_, i) => seedSigner(new Uint8Array(32).fill(i)));
    const signatures = signers.map((signer) => signer.sign(message));
    for (const i of [0, 1, 2, 3, 0, 7, 6, 5, 4, 3, 2, 1, 0, 0, 7]) {
      expect(verifier.verify(signers[i]!.publicKey, message, signatures[i]!)).toBe(true);
      expect(verifier.verify(signers[i]!.publicKey, message, signatures[(i + 1) % 8]!)).toBe(false);
    }
  });

  it('keeps a key apart from the caller`s array', () => {
    const verifier = nodeVerifier();
    const [one, two] = [seedSigner(new Uint8Array(32).fill(1)), seedSigner(new Uint8Array(32).fill(2))];
    const message = Uint8Array.of(9);
    const reused = Uint8Array.from(one.publicKey);
    expect(verifier.verify(reused, message, one.sign(message))).toBe(true);
    reused.set(two.publicKey);
    expect(verifier.verify(reused, message, two.sign(message))).toBe(true);
    expect(verifier.verify(reused, message, one.sign(message))).toBe(false);
  });
});

describe('chance', () => {
  const { randomBytes } = nodeCrypto();

  it('is as long as asked and never the same', () => {
    expect(randomBytes(0)).toEqual(new Uint8Array(0));
    const drawn = new Set(Array.from({ length: 1000 }, () => toHex(randomBytes(16))));
    expect(drawn.size).toBe(1000);
    expect(randomBytes(32)).toHaveLength(32);
    expect(randomBytes(32).constructor).toBe(Uint8Array);
  });

  it.each([-1, 1.5, 65_537, Number.NaN])('refuses %s bytes', (count) => {
    expect(() => randomBytes(count)).toThrow(expect.objectContaining({ code: 'bad-request' }));
  });
});

describe('the signer', () => {
  it('signs as plain JavaScript does, byte for byte', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 300 }),
        (seed, message) => {
          const [node, noble] = [seedSigner(seed), nobleSigner(seed)];
          expect(node.publicKey).toEqual(Uint8Array.from(noble.publicKey));
          expect(node.sign(message)).toEqual(Uint8Array.from(noble.sign(message)));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('refuses other seeds and other keys', () => {
    expect(() => seedSigner(new Uint8Array(31))).toThrow(/expected 32 bytes, got 31/);
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => nodeSigner(privateKey)).toThrow(/expected a private Ed25519 key, got ec/);
    expect(() => nodeSigner(publicKey)).toThrow(/expected a private Ed25519 key/);
    const ed448 = generateKeyPairSync('ed448').privateKey.export({ format: 'pem', type: 'pkcs8' });
    expect(() => nodeSigner(createPrivateKey(ed448))).toThrow(/got ed448/);
  });
});
