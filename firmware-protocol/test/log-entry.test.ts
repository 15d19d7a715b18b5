import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../src/cbor.js';
import { nobleSha256 as hasher } from '../src/crypto.js';
import { toHex } from '../src/hex.js';
import {
  commitment,
  decodeEntry,
  encodeEntry,
  frameContent,
  frameLeaf,
  KIND,
  MAX_ENTRY_BYTES,
  privateEntry,
} from '../src/log/index.js';
import { refusal } from './log-helpers.js';

const salt = Uint8Array.from({ length: 16 }, (_, i) => i);

describe('leaf data', () => {
  it('is the array of kind, version and body', () => {
    const body = new Map([[1, 7]]);
    expect(toHex(encodeEntry(KIND.seal, 1, body))).toBe('830c01a10107');
    expect(decodeEntry(encodeEntry(KIND.seal, 1, body))).toEqual({ kind: 12, version: 1, body });
  });

  it('numbers the kinds 0 to 17 without a hole', () => {
    expect(Object.values(KIND)).toEqual(Array.from({ length: 18 }, (_, i) => i));
  });

  it.each([
    ['an unknown kind', [18, 1, new Map()]],
    ['a negative kind', [-1, 1, new Map()]],
    ['a kind as text', ['0', 1, new Map()]],
    ['version 0', [0, 0, new Map()]],
    ['version 2', [0, 2, new Map()]],
    ['a body that is a list', [0, 1, []]],
    ['a body that is no hash', [6, 1, new Uint8Array(31)]],
    ['no body', [0, 1]],
    ['a fourth field', [0, 1, new Map(), 1]],
    ['a map for the array', new Map([[0, 1]])],
    ['a number', 5],
  ] as const)('is refused with %s', (_, value) => {
    expect(refusal(() => decodeEntry(encodeCbor(value as never)))).toBe('bad-entry');
  });

  it('is refused when it is not deterministic CBOR', () => {
    for (const bytes of [
      [0x83, 0x18, 0x06, 0x01, 0xa0],
      [0x9f, 0x06, 0x01, 0xa0, 0xff],
      [0x83, 0x06, 0x01, 0xa0, 0x00],
      [],
    ]) {
      expect(refusal(() => decodeEntry(Uint8Array.from(bytes)))).toBe('bad-entry');
    }
  });

  it('stays below 65,536 bytes, both ways', () => {
    const fits = new Map([[1, new Uint8Array(MAX_ENTRY_BYTES - 8)]]);
    expect(encodeEntry(KIND.evidence, 1, fits)).toHaveLength(MAX_ENTRY_BYTES);
    decodeEntry(encodeEntry(KIND.evidence, 1, fits));
    const over = new Map([[1, new Uint8Array(MAX_ENTRY_BYTES - 7)]]);
    expect(refusal(() => encodeEntry(KIND.evidence, 1, over))).toBe('bad-entry');
    expect(refusal(() => decodeEntry(encodeCbor([15, 1, over])))).toBe('bad-entry');
  });

  it('that is read at all is written back byte for byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        const bytes = Uint8Array.of(0x83, 0x06, 0x01, ...noise);
        if (refusal(() => decodeEntry(bytes)) !== 'not refused') return;
        const { kind, version, body } = decodeEntry(bytes);
        expect(encodeEntry(kind, version, body)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a private entry', () => {
  it('of a frame holds the commitment to when it came and to its bytes', () => {
    const message = Uint8Array.of(0xd2, 0x84);
    const content = frameContent(1_764_000_000, message);
    expect(toHex(content)).toBe('821a6924810042d284');
    const expected = hasher.sha256(salt, content);
    expect(toHex(frameLeaf(hasher, { salt, receivedS: 1_764_000_000, message }))).toBe(`8306015820${toHex(expected)}`);
  });

  it('is not made with a salt or a commitment of another length', () => {
    for (const length of [0, 15, 17, 32]) {
      expect(refusal(() => commitment(hasher, new Uint8Array(length), new Uint8Array(1)))).toBe('bad-entry');
    }
    for (const length of [0, 31, 33]) {
      expect(refusal(() => privateEntry(KIND.frame, new Uint8Array(length)))).toBe('bad-entry');
    }
  });

  it('of a frame is not made with a time that is no whole second', () => {
    for (const receivedS of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(refusal(() => frameContent(receivedS, salt))).toBe('bad-entry');
    }
  });
});
