import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, encodeAnswer, parseAnswer } from '../src/answer.js';
import { type CborValue, cborMap, encodeCbor } from '../src/cbor.js';
import { ProtocolError } from '../src/errors.js';

describe('an answer of any fields', () => {
  const bytes = (...lengths: number[]) => fc.constantFrom(...lengths).map((length) => new Uint8Array(length).fill(7));
  const number = fc.oneof(fc.constantFrom(-1, 0, 1, 0xffff_ffff, 0x1_0000_0000, 2 ** 53 - 1), fc.maxSafeNat());
  const answers: fc.Arbitrary<Answer> = fc.record(
    {
      kid: bytes(8, 8, 7),
      epoch: number,
      number,
      messageHash: bytes(32, 32, 32, 31),
      code: fc.constantFrom(0, 0, 1, 9, 10),
      index: number,
      salt: bytes(16, 16, 15),
      receivedS: number,
      next: number,
      checkpoint: bytes(200, 200, 1, 0, 16_385),
      path: fc.array(bytes(32, 32, 32, 32, 33), { maxLength: 3 }),
      leafData: bytes(40, 0, 65_535, 65_536),
      openEpoch: number,
    },
    { requiredKeys: ['messageHash', 'code'] },
  );
  /** The map written without a look at what is in it. */
  const blindly = (answer: Answer): Uint8Array => {
    const { kid, epoch, number, messageHash, code, index, salt, receivedS, next, checkpoint } = answer;
    const fields = [1, kid, epoch, number, messageHash, code, index, salt, receivedS, next, checkpoint];
    const all = [...fields, answer.path as CborValue | undefined, answer.leafData, answer.openEpoch];
    return encodeCbor(cborMap(all.map((value, i) => [i + 1, value] as const)));
  };
  const outcome = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
      return 'refused';
    }
  };

  it('is written when it would be read, and only then', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const readable = outcome(() => parseAnswer(blindly(answer)));
        const written = outcome(() => encodeAnswer(answer));
        if (readable === 'refused') expect(written).toBe('refused');
        else expect(written).toEqual(blindly(answer));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the same with its proof beside it', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const { checkpoint, path, ...rest } = answer;
        const proof = { ...(checkpoint && { checkpoint }), ...(path && { path }) };
        expect(outcome(() => encodeAnswer(rest, proof))).toEqual(outcome(() => encodeAnswer(answer)));
      }),
    );
  });
});
