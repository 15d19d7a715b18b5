import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SequenceRow } from '../src/core/rows.js';
import { decodeSequence, encodeSequence } from '../src/core/sequence-codec.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hex = bytes(32).map((value) => Buffer.from(value).toString('hex'));
const gaps = fc.array(fc.record({ first: fc.maxSafeNat(), last: fc.maxSafeNat() }), { maxLength: 300 });
const state = fc.record({
  epoch: fc.maxSafeNat(),
  next: fc.maxSafeNat().map((newest) => newest + 1),
  expectedPrevious: bytes(32),
  forked: fc.boolean(),
  gaps,
});
const always = fc.record({
  state,
  lastBoot: fc.maxSafeNat(),
  lastUptimeMs: fc.maxSafeNat(),
  lastReceivedS: fc.maxSafeNat(),
  lastIndex: fc.integer({ min: -1 }),
  accepted: fc.maxSafeNat(),
  openingIndex: fc.maxSafeNat(),
});
const sometimes = fc.record(
  {
    openingRequest: hex,
    gapRequest: hex,
    gapIndex: fc.maxSafeNat(),
    recent: fc.record({ chunk: fc.maxSafeNat(), entries: fc.uint8Array({ minLength: 6, maxLength: 60 }) }),
  },
  { requiredKeys: [] },
);

describe('the row of a box’s numbers', () => {
  it('is after the store what it was before', () => {
    fc.assert(
      fc.property(always, sometimes, (one, other) => {
        const row: SequenceRow = { ...one, ...other };
        expect(decodeSequence(encodeSequence(row))).toEqual(row);
      }),
    );
  });

  it('is refused when it is cut, or is something else', () => {
    const [row] = fc.sample(always, 1);
    const whole = encodeSequence(row!);
    const invariant = expect.objectContaining({ code: 'invariant' });
    for (const wrong of [
      new Uint8Array([0x80]),
      new Uint8Array([0x00]),
      new Uint8Array([0x90, ...new Array(16).fill(0xf6)]),
    ]) {
      expect(() => decodeSequence(wrong)).toThrow(invariant);
    }
    expect(() => decodeSequence(whole.subarray(0, whole.length - 1))).toThrow();
  });
});
