import {
  type CborKey,
  type CborValue,
  cborMap,
  encodeCbor,
  keyId,
  nobleSigner,
  nobleVerifier as verifier,
} from '@commonwatt/firmware-protocol';
import { encodeEntry, KIND } from '@commonwatt/firmware-protocol/log';
import { describe, expect, it } from 'vitest';
import * as records from '../src/core/records/index.js';
import { bytes, fromHex, hasher, publicKeyOf, readVectors, refusal, toHex } from './records-helpers.js';

describe('a signed entry', () => {
  const origin = 'community.example/sonnenhof';
  const signer = nobleSigner(new Uint8Array(32).fill(1));
  const payload = fromHex(readVectors('entry-03-device-revoked').payload as string);
  const message = records.sealEntry({ payload, origin, signer, hasher });
  const open = (more: Partial<Parameters<typeof records.openSignedEntry>[0]>) =>
    refusal(() => records.openSignedEntry({ message, origin, publicKey: signer.publicKey, hasher, verifier, ...more }));

  it('opens with the key that signed it', () => {
    expect(open({})).toBe('not refused');
  });

  it('is refused for another community, kind of message or key', () => {
    expect(open({ origin: 'community.example/other' })).toBe('bad-signer');
    expect(open({ sealedKind: 'epoch-request/v1' })).toBe('bad-signer');
    expect(open({ publicKey: publicKeyOf(2) })).toBe('bad-signer');
  });

  it('is refused under the kid of another key', () => {
    const stranger = { publicKey: publicKeyOf(2), sign: signer.sign };
    const mislabelled = records.sealEntry({ payload, origin, signer: stranger, hasher });
    expect(open({ message: mislabelled })).toBe('bad-signer');
    expect(open({ message: mislabelled, publicKey: publicKeyOf(2) })).toBe('bad-signer');
    expect(toHex(records.parseSealedEntry(mislabelled).kid)).toBe(toHex(keyId(hasher, publicKeyOf(2))));
  });

  it('is refused when any byte of it changes', () => {
    for (let at = 0; at < message.length; at += 1) {
      const bent = message.slice();
      bent[at]! ^= 1;
      expect(open({ message: bent })).toMatch(/^bad-(entry|signer)$/);
    }
  });

  it('may be longer than a message on the wire, up to what an entry may be', () => {
    const text = 'x'.repeat(32_768);
    const rules = { netting: 2, consumerRule: 1, producerRule: 1, priceMicroPerKwh: 1, levyBasisPoints: 0 } as const;
    const long = records.encodeRulesFields({ number: 1, settings: rules, firstIntervalS: 900, text });
    const sealed = records.sealEntry({ payload: long, origin, signer, hasher });
    expect(records.signedEntry(KIND.rules, sealed).length).toBeLessThan(65_536);
    expect(open({ message: sealed })).toBe('not refused');
    const tooLong = new Uint8Array(65_600);
    expect(refusal(() => records.sealEntry({ payload: tooLong, origin, signer, hasher }))).toBe('bad-entry');
    expect(refusal(() => records.signedEntry(KIND.rules, tooLong))).toBe('bad-entry');
    expect(open({ message: tooLong })).toBe('bad-entry');
  });

  it('keeps a text that is too large as its hash', () => {
    const fits = 'é'.repeat(16_384);
    expect(records.longText(hasher, fits)).toBe(fits);
    const over = `${fits}.`;
    expect(records.longText(hasher, over)).toEqual(hasher.sha256(Buffer.from(over)));
  });

  it('stands in public only if its kind is public', () => {
    expect(refusal(() => records.signedEntry(KIND.party, message))).toBe('bad-entry');
  });

  it('holds a second signature only as a gateway epoch', () => {
    const two = cborMap([
      [1, message],
      [2, message],
    ]);
    expect(records.parseSignedBody(KIND.gatewayEpoch, two).operatorMessage).toEqual(message);
    expect(refusal(() => records.parseSignedBody(KIND.device, two))).toBe('bad-entry');
    expect(refusal(() => records.parseSignedBody(KIND.device, cborMap([[1, 'text']])))).toBe('bad-entry');
    expect(refusal(() => records.parseSignedContent(encodeCbor(two)))).toBe('bad-entry');
  });
});

describe('a leaf', () => {
  const map = new Map<CborKey, CborValue>([[1, 1]]);

  it('is a commitment where its kind is private, a map where it is public', () => {
    for (const kind of Object.values(KIND)) {
      const expected = records.isPrivateKind(kind) ? bytes(32) : map;
      const other = records.isPrivateKind(kind) ? map : bytes(32);
      const inLog = kind !== KIND.sealLeaf && kind !== KIND.command;
      expect([kind, refusal(() => records.parseLeaf(encodeEntry(kind, 1, expected)))]).toEqual([
        kind,
        inLog ? 'not refused' : 'bad-entry',
      ]);
      expect(refusal(() => records.parseLeaf(encodeEntry(kind, 1, other)))).toBe('bad-entry');
    }
  });

  it('is refused as noise', () => {
    for (const noise of [[], [0x83], [0xff, 0xff], [0x83, 0x00, 0x01, 0xf6]]) {
      expect(refusal(() => records.parseLeaf(Uint8Array.from(noise)))).toBe('bad-entry');
    }
  });
});
