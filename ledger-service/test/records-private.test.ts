import { KIND, type Kind } from '@commonwatt/firmware-protocol/log';
import { describe, expect, it } from 'vitest';
import * as records from '../src/core/records/index.js';
import { bytes, fromHex, hasher, refusal, toHex } from './records-helpers.js';

describe('salts', () => {
  // RFC 4231, sections 4.2 to 4.8 (4.6 is about truncation).
  it.each([
    [
      '4.2',
      '0b'.repeat(20),
      toHex(Buffer.from('Hi There')),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      '4.3',
      toHex(Buffer.from('Jefe')),
      toHex(Buffer.from('what do ya want for nothing?')),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    ['4.4', 'aa'.repeat(20), 'dd'.repeat(50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    [
      '4.5',
      '0102030405060708090a0b0c0d0e0f10111213141516171819',
      'cd'.repeat(50),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ],
    [
      '4.7',
      'aa'.repeat(131),
      toHex(Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First')),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      '4.8',
      'aa'.repeat(131),
      toHex(
        Buffer.from(
          'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
        ),
      ),
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ])('come from an HMAC that gives the values of RFC 4231 section %s', (_, hmacKey, data, expected) => {
    expect(toHex(records.hmacSha256(hasher, fromHex(hmacKey), fromHex(data)))).toBe(expected);
  });

  const input = { privacyKey: bytes(32), kind: KIND.frame as Kind, index: 7, content: bytes(40) };

  it('differ with the key, the kind, the index and the content', () => {
    const salts = [
      input,
      { ...input, privacyKey: new Uint8Array(32) },
      { ...input, kind: KIND.evidence as Kind },
      { ...input, index: 8 },
      { ...input, content: bytes(41) },
    ].map((one) => toHex(records.deriveSalt(hasher, one)));
    expect(new Set(salts).size).toBe(5);
    expect(salts.every((salt) => salt.length === 32)).toBe(true);
  });

  it('are not drawn with a key of another length', () => {
    expect(refusal(() => records.deriveSalt(hasher, { ...input, privacyKey: bytes(31) }))).toBe('invariant');
  });

  it('open one entry, and no other content', () => {
    const { salt, commitment } = records.closeContent(hasher, input);
    const { content } = input;
    expect(records.opens(hasher, { commitment, salt, content })).toBe(true);
    expect(records.opens(hasher, { commitment, salt, content: bytes(39) })).toBe(false);
    expect(records.opens(hasher, { commitment, salt: bytes(16), content })).toBe(false);
    // The border between salt and content is part of the rule: moving it opens nothing.
    const joined = new Uint8Array([...salt, ...content]);
    expect(records.opens(hasher, { commitment, salt: joined.slice(0, 15), content: joined.slice(15) })).toBe(false);
  });
});

describe('the root of balances', () => {
  it('refuses an account that is named twice and money beyond 64 bits', () => {
    const balance = { account: 'a', amountMicro: 1n, energyMwh: 0 };
    expect(refusal(() => records.balancesRoot(hasher, [balance, balance]))).toBe('invariant');
    expect(refusal(() => records.balancesRoot(hasher, [{ ...balance, amountMicro: 2n ** 63n }]))).toBe('money-range');
  });

  it('tells an account with energy alone from none', () => {
    const energyOnly = { account: 'a', amountMicro: 0n, energyMwh: -1 };
    expect(records.balancesRoot(hasher, [energyOnly])).not.toEqual(records.balancesRoot(hasher, []));
  });
});

describe('an origin', () => {
  it('names its community behind the slash', () => {
    expect(records.communityOfOrigin('localhost:8080/sonnenhof')).toBe('sonnenhof');
  });
});
