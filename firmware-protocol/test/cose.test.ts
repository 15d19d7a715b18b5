import { describe, expect, it } from 'vitest';
import { concatBytes } from '../src/bytes.js';
import { type CborValue, encodeCbor } from '../src/cbor.js';
import { type CoseLimits, parseCoseSign1, sigStructure, verifyCoseSign1 } from '../src/cose.js';
import { nobleSigner, nobleVerifier } from '../src/crypto.js';
import { fromHex, toHex } from '../src/hex.js';
import { utf8Encode } from '../src/utf8.js';
import { codeOf, hasPublished, nodeVerifier, published, publishedNote } from './support.js';

interface CoseVector {
  readonly input: { readonly sign0: { readonly key: { x_hex?: string }; readonly external?: string } };
  readonly intermediates: { readonly ToBeSign_hex: string };
  readonly output: { readonly cbor: string };
}
const vector = (name: string): CoseVector => published(`cose/${name}.json`) as CoseVector;

// RFC 8032 section 7.1 TEST 1, the key of eddsa-sig-01.
const signer = nobleSigner(fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'));
const NOTHING = new Uint8Array(0);
const CONTENT = utf8Encode('This is the content.');
const PROTECTED = fromHex('a10127');
const KID_11 = new Map([[4, utf8Encode('11')]]);

/** The verdict on a message: the code of the refusal. */
function verdict(
  message: Uint8Array,
  options: { external?: Uint8Array; key?: Uint8Array; limits?: CoseLimits } = {},
): string {
  const codes = [nobleVerifier, nodeVerifier].map((verifier) =>
    codeOf(() =>
      verifyCoseSign1(parseCoseSign1(message, options.limits), {
        externalData: options.external ?? NOTHING,
        publicKey: options.key ?? signer.publicKey,
        verifier,
      }),
    ),
  );
  expect(codes[0]).toBe(codes[1]);
  return codes[0]!;
}

/** A message made anew: signed over what `signed` says, and sent as the rest says. */
function remade(
  sent: { tag?: number[]; protectedBytes?: Uint8Array; unprotected?: CborValue; payload?: CborValue },
  signed: { protectedBytes?: Uint8Array; external?: Uint8Array } = {},
): Uint8Array {
  const signature = signer.sign(sigStructure(signed.protectedBytes ?? PROTECTED, signed.external ?? NOTHING, CONTENT));
  const body = encodeCbor([
    sent.protectedBytes ?? PROTECTED,
    sent.unprotected ?? KID_11,
    sent.payload ?? CONTENT,
    signature,
  ]);
  return concatBytes(Uint8Array.from(sent.tag ?? [0xd2]), body);
}

describe.runIf(hasPublished)(`COSE_Sign1 against the published vectors${publishedNote}`, () => {
  it('verifies eddsa-sig-01, over the published bytes to be signed', () => {
    const { output, intermediates, input } = vector('eddsa-sig-01');
    const cose = parseCoseSign1(fromHex(output.cbor));
    expect(toHex(sigStructure(cose.protectedBytes, NOTHING, cose.payload)).toUpperCase()).toBe(
      intermediates.ToBeSign_hex,
    );
    expect(input.sign0.key.x_hex).toBe(toHex(signer.publicKey));
    expect(verdict(fromHex(output.cbor))).toBe('not refused');
  });

  it('refuses Ed448 (eddsa-sig-02) for its key', () => {
    const { output, input } = vector('eddsa-sig-02');
    expect(verdict(fromHex(output.cbor), { key: fromHex(input.sign0.key.x_hex!) })).toBe('cose-key');
    expect(verdict(fromHex(output.cbor))).toBe('cose-signature');
  });

  it.each(['sign-pass-01', 'sign-pass-02', 'sign-pass-03'])('reads the structure of %s', (name) => {
    const { output, intermediates, input } = vector(name);
    const cose = parseCoseSign1(fromHex(output.cbor), { tag: 'optional' });
    const external = fromHex(input.sign0.external ?? '');
    expect(toHex(sigStructure(cose.protectedBytes, external, cose.payload)).toUpperCase()).toBe(
      intermediates.ToBeSign_hex,
    );
    expect(verdict(fromHex(output.cbor), { limits: { tag: 'optional' } })).toBe('cose-algorithm');
  });

  it.each([
    ['sign-fail-01', 'cose-tag'],
    ['sign-fail-03', 'cose-algorithm'],
    ['sign-fail-04', 'cose-algorithm'],
  ])('refuses %s as it was published', (name, code) => {
    expect(verdict(fromHex(vector(name).output.cbor))).toBe(code);
  });
});

describe('COSE_Sign1 with Ed25519', () => {
  it('verifies what was not changed', () => {
    expect(verdict(remade({}))).toBe('not refused');
  });

  it.each([
    ['the tag changed to 998 (sign-fail-01)', remade({ tag: [0xd9, 0x03, 0xe6] }), 'cose-tag'],
    ['no tag', remade({ tag: [] }), 'cose-tag'],
    ['the content changed (sign-fail-02)', remade({ payload: utf8Encode('This is the content/') }), 'cose-signature'],
    ['the signature changed', remade({}).with(-1, remade({}).at(-1)! ^ 1), 'cose-signature'],
    [
      'the algorithm changed to -999 (sign-fail-03)',
      remade({ protectedBytes: fromHex('a1013903e6') }),
      'cose-algorithm',
    ],
    [
      'the algorithm changed to a text (sign-fail-04)',
      remade({ protectedBytes: fromHex('a10167756e6b6e6f776e') }),
      'cose-algorithm',
    ],
    ['the algorithm changed to ES256', remade({ protectedBytes: fromHex('a10126') }), 'cose-algorithm'],
    ['a protected label added (sign-fail-06)', remade({ protectedBytes: fromHex('a201270300') }), 'cose-signature'],
    [
      'a protected label removed (sign-fail-07)',
      remade({}, { protectedBytes: fromHex('a201270300') }),
      'cose-signature',
    ],
    ['no algorithm anywhere', remade({ protectedBytes: NOTHING }, { protectedBytes: NOTHING }), 'cose-algorithm'],
  ] as const)('with %s', (_name, message, code) => {
    expect(verdict(message)).toBe(code);
  });

  it('binds the external data (as sign-pass-02)', () => {
    const external = fromHex('11aa22bb33cc44dd55006699');
    const message = remade({}, { external });
    expect(verdict(message, { external })).toBe('not refused');
    expect(verdict(message)).toBe('cose-signature');
  });

  it('counts an encoded empty map as no protected header (as sign-pass-01)', () => {
    const unprotected = new Map<number, CborValue>([
      [1, -8],
      [4, utf8Encode('11')],
    ]);
    const message = remade({ protectedBytes: Uint8Array.of(0xa0), unprotected }, { protectedBytes: NOTHING });
    expect(verdict(message)).toBe('not refused');
  });

  it('reads a message without its tag only where that is asked for (as sign-pass-03)', () => {
    expect(verdict(remade({ tag: [] }), { limits: { tag: 'optional' } })).toBe('not refused');
    expect(verdict(remade({ tag: [0xd1] }), { limits: { tag: 'optional' } })).toBe('cose-tag');
  });

  const signature = new Uint8Array(64);
  it.each([
    ['an array of three', [PROTECTED, KID_11, CONTENT]],
    ['an array of five', [PROTECTED, KID_11, CONTENT, signature, 0]],
    ['a map', new Map([[1, 2]])],
    ['a protected header that is no byte string', [new Map([[1, -8]]), KID_11, CONTENT, signature]],
    ['a protected header that holds no map', [encodeCbor([1]), KID_11, CONTENT, signature]],
    ['a protected header in falling order', [fromHex('a203000127'), KID_11, CONTENT, signature]],
    ['a protected header with bytes behind it', [fromHex('a1012700'), KID_11, CONTENT, signature]],
    ['an unprotected header that is no map', [PROTECTED, [], CONTENT, signature]],
    ['a payload that is detached', [PROTECTED, KID_11, null, signature]],
    ['a payload that is text', [PROTECTED, KID_11, 'text', signature]],
    ['a signature that is no byte string', [PROTECTED, KID_11, CONTENT, null]],
    ['a label in both headers', [PROTECTED, new Map([[1, -8]]), CONTENT, signature]],
    ['crit in the unprotected header', [PROTECTED, new Map([[2, [1]]]), CONTENT, signature]],
    [
      'crit with a label that is not understood',
      [
        encodeCbor(
          new Map<number, CborValue>([
            [1, -8],
            [2, [99]],
            [99, 0],
          ]),
        ),
        KID_11,
        CONTENT,
        signature,
      ],
    ],
    [
      'crit without labels',
      [
        encodeCbor(
          new Map<number, CborValue>([
            [1, -8],
            [2, []],
          ]),
        ),
        KID_11,
        CONTENT,
        signature,
      ],
    ],
  ] as [string, CborValue][])('is refused as a structure: %s', (_name, body) => {
    expect(verdict(concatBytes(Uint8Array.of(0xd2), encodeCbor(body)))).toBe('cose-structure');
  });

  it('is refused with bytes behind it, cut short, or too long', () => {
    const good = remade({});
    expect(verdict(concatBytes(good, Uint8Array.of(0)))).toBe('cose-structure');
    for (let length = 1; length < good.length; length++) expect(verdict(good.slice(0, length))).toBe('cose-structure');
    expect(verdict(NOTHING)).toBe('cose-tag');
    expect(verdict(good, { limits: { maxBytes: good.length - 1 } })).toBe('cose-structure');
  });
});
