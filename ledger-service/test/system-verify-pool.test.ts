import { concatBytes, nobleSigner } from '@commonwatt/firmware-protocol';
import { nodeVerifier } from '@commonwatt/ledger-service/dist/adapters/system/node-crypto.js';
import { verifyOnThreads } from '@commonwatt/ledger-service/dist/adapters/system/verify-pool.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packChecks, unpackChecks } from '../src/adapters/system/packed-checks.js';
import type { SignatureCheck } from '../src/usecases/ports.js';

const signer = nobleSigner(new Uint8Array(32).fill(7));

/** Good and bad ones mixed: a changed message, a short signature, S at the order, the wrong key. */
function checks(count: number): { check: SignatureCheck; good: boolean }[] {
  return Array.from({ length: count }, (_, i) => {
    const message = Uint8Array.of(i, i >> 8, 3);
    const signature = signer.sign(message);
    const check = { publicKey: signer.publicKey, message, signature };
    if (i % 5 === 1) return { check: { ...check, message: concatBytes(message, message) }, good: false };
    if (i % 5 === 2) return { check: { ...check, signature: signature.slice(1) }, good: false };
    if (i % 5 === 3) return { check: { ...check, publicKey: signer.publicKey.slice(0, 31) }, good: false };
    return { check, good: true };
  });
}

describe('verdicts on other threads', () => {
  it.each([0, 1, 15, 16, 17, 300])('are those of this one, in their order: %i signatures', async (count) => {
    const asked = checks(count);
    const verifyMany = verifyOnThreads(nodeVerifier());
    const verdicts = await verifyMany(asked.map(({ check }) => check));
    expect(verdicts).toEqual(asked.map(({ good }) => good));
  });

  it('are kept apart when many batches are asked for at once', async () => {
    const verifyMany = verifyOnThreads(nodeVerifier());
    const batches = [40, 20, 33, 64, 16].map(checks);
    const verdicts = await Promise.all(batches.map((batch) => verifyMany(batch.map(({ check }) => check))));
    expect(verdicts).toEqual(batches.map((batch) => batch.map(({ good }) => good)));
  });
});

describe('packed checks', () => {
  it('come out as they went in, of any length', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    const many = fc.array(fc.record({ publicKey: bytes, message: bytes, signature: bytes }), { maxLength: 20 });
    fc.assert(
      fc.property(many, (list) => {
        const again = unpackChecks(packChecks(list)).map((check) => Object.values(check).map((part) => [...part]));
        expect(again).toEqual(
          list.map((check) => [check.publicKey, check.message, check.signature].map((part) => [...part])),
        );
      }),
    );
  });
});
