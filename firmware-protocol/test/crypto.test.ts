import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkPublicKey, keyId, nobleSha256, nobleSigner, nobleVerifier } from '../src/crypto.js';
import { fromHex, toHex } from '../src/hex.js';
import { utf8Encode } from '../src/utf8.js';
import vectors from '../vectors/ed25519.json' with { type: 'json' };
import { codeOf, hasPublished, nodeVerifier, published, publishedNote } from './support.js';

const VERIFIERS = [
  ['plain JavaScript', nobleVerifier],
  ['node:crypto', nodeVerifier],
] as const;

interface Wycheproof {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly { tcId: number; comment: string; msg: string; sig: string; result: string }[];
  }[];
}

interface Rfc8032 {
  readonly vectors: readonly {
    name: string;
    secretKey: string;
    publicKey: string;
    message: string;
    signature: string;
  }[];
}

describe.each(VERIFIERS)('the one Ed25519 rule over %s', (_name, verifier) => {
  it.each(vectors.signatures)('$desc: $valid', ({ publicKey, message, signature, valid }) => {
    expect(verifier.verify(fromHex(publicKey), fromHex(message), fromHex(signature))).toBe(valid);
  });

  it.runIf(hasPublished)(`gives every Wycheproof verdict${publishedNote}`, () => {
    const { numberOfTests, testGroups } = published('ed25519/wycheproof_ed25519_test.json') as Wycheproof;
    let seen = 0;
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, comment, msg, sig, result } of tests) {
        const verdict = verifier.verify(fromHex(publicKey.pk), fromHex(msg), fromHex(sig));
        expect(verdict, `${tcId} ${comment}`).toBe(result === 'valid');
        seen++;
      }
    }
    expect(seen).toBe(numberOfTests);
    expect(seen).toBe(151);
  });

  it.runIf(hasPublished)(`holds for RFC 8032 section 7.1, and for none with a bit changed${publishedNote}`, () => {
    for (const { publicKey, message, signature } of (published('ed25519/rfc8032_section7_1.json') as Rfc8032).vectors) {
      const [key, text, good] = [fromHex(publicKey), fromHex(message), fromHex(signature)];
      expect(verifier.verify(key, text, good)).toBe(true);
      for (let at = 0; at < 64; at += 7) expect(verifier.verify(key, text, good.with(at, good[at]! ^ 1))).toBe(false);
    }
  });

  it('does not throw on lengths that are wrong', () => {
    const lengths = [0, 1, 31, 32, 33, 63, 64, 65, 128];
    for (const key of lengths) {
      for (const signature of lengths) {
        expect(verifier.verify(new Uint8Array(key), new Uint8Array(1), new Uint8Array(signature))).toBe(false);
      }
    }
  });
});

describe('a key at enrolment', () => {
  it.each(vectors.keys)('$desc: $valid', ({ publicKey, valid }) => {
    expect(codeOf(() => checkPublicKey(fromHex(publicKey)))).toBe(valid ? 'not refused' : 'bad-public-key');
  });

  it.runIf(hasPublished)(`may be any key of the published vectors${publishedNote}`, () => {
    for (const { publicKey } of (published('ed25519/rfc8032_section7_1.json') as Rfc8032).vectors)
      checkPublicKey(fromHex(publicKey));
    for (const { publicKey } of (published('ed25519/wycheproof_ed25519_test.json') as Wycheproof).testGroups)
      checkPublicKey(fromHex(publicKey.pk));
  });
});

describe('signing in plain JavaScript', () => {
  it.runIf(hasPublished)(`gives the bytes of RFC 8032 section 7.1${publishedNote}`, () => {
    for (const { secretKey, publicKey, message, signature } of (published('ed25519/rfc8032_section7_1.json') as Rfc8032)
      .vectors) {
      const signer = nobleSigner(fromHex(secretKey));
      expect(toHex(signer.publicKey)).toBe(publicKey);
      expect(toHex(signer.sign(fromHex(message)))).toBe(signature);
    }
  });

  it('keeps its own copy of the seed, and wants 32 bytes', () => {
    const seed = new Uint8Array(32).fill(7);
    const signer = nobleSigner(seed);
    const before = toHex(signer.sign(utf8Encode('a')));
    seed.fill(0);
    expect(toHex(signer.sign(utf8Encode('a')))).toBe(before);
    expect(codeOf(() => nobleSigner(new Uint8Array(31)))).toBe('out-of-range');
  });
});

describe('hash and key id', () => {
  it('hash the parts as one', () => {
    const whole = createHash('sha256').update('one two').digest('hex');
    expect(toHex(nobleSha256.sha256(utf8Encode('one '), utf8Encode('two')))).toBe(whole);
  });

  it('name a key by the first eight bytes of its hash', () => {
    const key = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    expect(toHex(keyId(nobleSha256, key))).toBe('21fe31dfa154a261');
  });
});
