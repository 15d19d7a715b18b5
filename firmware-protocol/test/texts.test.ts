import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from '../src/base64.js';
import { bytesEqual, compareBytes, compareUtf8, concatBytes, viewBytes } from '../src/bytes.js';
import { fromHex, toHex } from '../src/hex.js';
import { utf8Decode, utf8Encode } from '../src/utf8.js';
import { codeOf } from './support.js';

const anyBytes = fc.uint8Array({ maxLength: 300 });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

describe('UTF-8', () => {
  it('is that of the platform', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const bytes = utf8Encode(text);
        expect(bytesEqual(bytes, new TextEncoder().encode(text))).toBe(true);
        expect(utf8Decode(bytes)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes exactly the bytes that a strict decoder takes', () => {
    const nearly = fc.array(
      fc.constantFrom(
        0,
        0x41,
        0x7f,
        0x80,
        0x9f,
        0xa0,
        0xbf,
        0xc0,
        0xc2,
        0xdf,
        0xe0,
        0xed,
        0xef,
        0xf0,
        0xf4,
        0xf5,
        0xff,
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          anyBytes,
          nearly.map((list) => Uint8Array.from(list)),
        ),
        (bytes) => {
          let expected: string | undefined;
          try {
            expected = strictDecoder.decode(bytes);
          } catch {
            expected = undefined;
          }
          if (expected === undefined) expect(codeOf(() => utf8Decode(bytes))).toBe('bad-text');
          else expect(utf8Decode(bytes)).toBe(expected);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it('refuses half a surrogate pair', () => {
    for (const text of ['\ud800', 'a\udc00', '\ud800a', '\udc00\ud800'])
      expect(codeOf(() => utf8Encode(text))).toBe('bad-text');
  });

  it('keeps a byte order mark and long texts', () => {
    const text = `\ufeff${'sonne \u{1f31e} '.repeat(5000)}`;
    expect(utf8Decode(utf8Encode(text))).toBe(text);
  });
});

describe('hex', () => {
  it('comes back as it was, and reads both cases', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(bytesEqual(fromHex(toHex(bytes)), bytes)).toBe(true);
      }),
    );
    expect(toHex(fromHex('00fFAb'))).toBe('00ffab');
  });

  it.each(['0', 'zz', '0g', ' 00', '0x00', '00 ', '\uff10\uff10'])('refuses %j', (text) => {
    expect(codeOf(() => fromHex(text))).toBe('bad-hex');
  });
});

describe('base64', () => {
  it('is that of the platform', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(bytesEqual(fromBase64(toBase64(bytes)), bytes)).toBe(true);
      }),
    );
  });

  it.each([
    'A',
    'AA',
    'AAA',
    'AA=',
    'AA==A',
    'AB==',
    'AAB=',
    'AA==AA==',
    'A===',
    '====',
    'AA-_',
    'AAA ',
    ' AAA',
    'AAAA\n',
    '=AAA',
    'A=AA',
  ])('refuses %j', (text) => {
    expect(codeOf(() => fromBase64(text))).toBe('bad-base64');
  });

  it('takes one text for any bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AB/+=z9'), maxLength: 8 }), (text) => {
        let bytes: Uint8Array;
        try {
          bytes = fromBase64(text);
        } catch {
          return;
        }
        expect(toBase64(bytes)).toBe(text);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('bytes', () => {
  it('are ordered as UTF-8, the shorter first on a common beginning', () => {
    const ids = ['b', 'a', 'ab', 'B', 'a-', 'a.', '\u{1f31e}', '\uffff', ''];
    const expected = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect([...ids].sort(compareUtf8)).toEqual(expected);
    expect(compareUtf8('a', 'a')).toBe(0);
  });

  it('compare as the platform compares', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      }),
    );
  });

  it('are joined in order', () => {
    expect(concatBytes(Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('are looked at through a plain window, also into a pooled Buffer', () => {
    const window = viewBytes(Buffer.from([9, 1, 2, 9]), 1, 3);
    expect(window.constructor).toBe(Uint8Array);
    expect(window).toEqual(Uint8Array.of(1, 2));
  });
});
