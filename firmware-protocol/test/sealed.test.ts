import { describe, expect, it } from 'vitest';
import { concatBytes } from '../src/bytes.js';
import { keyId, nobleSha256, nobleSigner, nobleVerifier } from '../src/crypto.js';
import { channelValues, sampleTimesS } from '../src/frame.js';
import { encodeFramePayload } from '../src/frame-encoder.js';
import { parseFramePayload } from '../src/frame-parser.js';
import { fromHex, toHex } from '../src/hex.js';
import { externalData, MAX_MESSAGE_BYTES, parseSealed, sealMessage } from '../src/sealed.js';
import { utf8Decode, utf8Encode } from '../src/utf8.js';
import vectors from '../vectors/sealed-messages.json' with { type: 'json' };
import example from '../vectors/worked-example.json' with { type: 'json' };
import { bytesOf, codeOf, frameOf, nodeVerifier, refusal } from './support.js';

const signer = nobleSigner(fromHex(example.seed));
const kid = fromHex(example.kid);
const external = externalData(example.origin, 'meter-frame/v1');

describe('the worked example', () => {
  it('is made byte for byte', () => {
    const payload = encodeFramePayload(frameOf(example.frame));
    expect(toHex(payload)).toBe(example.payload);
    expect(toHex(sealMessage({ payload, externalData: external, kid, signer }))).toBe(example.message);
    expect(example.message.length / 2).toBe(198);
  });

  it('is taken apart again', () => {
    const sealed = parseSealed(fromHex(example.message));
    expect(toHex(sealed.kid)).toBe(example.kid);
    expect(toHex(sealed.signature)).toBe(example.signature);
    expect(toHex(sealed.toBeSigned(external))).toBe(example.toBeSigned);
    const frame = parseFramePayload(sealed.payload);
    expect(frame).toEqual(frameOf(example.frame));
    expect(sampleTimesS(frame)).toEqual(example.timesS);
    expect(channelValues(frame.channels[0]!)).toEqual([12345678n, 12345681n, 12345686n, 12345691n, 12345696n]);
  });

  it('has the key id, the external data and the hash it says', () => {
    expect(toHex(keyId(nobleSha256, signer.publicKey))).toBe(example.kid);
    expect(utf8Decode(external)).toBe(example.externalData);
    expect(toHex(nobleSha256.sha256(fromHex(example.message)))).toBe(example.messageHash);
    expect(toHex(nobleSha256.sha256(utf8Encode('prev')))).toBe(example.frame.previous);
  });
});

describe('a sealed message', () => {
  it.each(vectors.good)('holds: $desc', ({ message, externalData: under, payload }) => {
    const sealed = parseSealed(fromHex(message));
    expect(toHex(sealed.payload)).toBe(payload);
    const signed = sealed.toBeSigned(utf8Encode(under));
    for (const verifier of [nobleVerifier, nodeVerifier]) {
      expect(verifier.verify(signer.publicKey, signed, sealed.signature)).toBe(true);
    }
  });

  it.each(vectors.foreign)('does not hold under $desc', ({ externalData: under }) => {
    const sealed = parseSealed(fromHex(vectors.good[0]!.message));
    expect(nodeVerifier.verify(signer.publicKey, sealed.toBeSigned(utf8Encode(under)), sealed.signature)).toBe(false);
  });

  it.each(vectors.bad)('is malformed: $desc', ({ message, says }) => {
    expect(refusal(() => parseSealed(fromHex(message)))).toEqual({ code: 'malformed', says });
  });

  it('is malformed at every length but its own', () => {
    const good = fromHex(example.message);
    for (let length = 0; length < good.length; length++)
      expect(codeOf(() => parseSealed(good.slice(0, length)))).toBe('malformed');
    expect(codeOf(() => parseSealed(concatBytes(good, Uint8Array.of(0))))).toBe('malformed');
  });

  it('is looked at without a copy, and gives the same bytes to be signed as it was sealed over', () => {
    const inPool = Buffer.concat([Buffer.alloc(5), fromHex(example.message)]).subarray(5);
    const sealed = parseSealed(inPool);
    expect(sealed.payload.buffer).toBe(inPool.buffer);
    expect(sealed.payload.constructor).toBe(Uint8Array);
    expect(toHex(sealed.toBeSigned(external))).toBe(example.toBeSigned);
  });

  it('is the same bytes each time', () => {
    const seal = () => toHex(sealMessage({ payload: bytesOf(1, 100), externalData: external, kid, signer }));
    expect(seal()).toBe(seal());
  });

  it('is not made longer than a ledger takes, nor under another kid than eight bytes', () => {
    const seal = (payload: Uint8Array, under = kid) =>
      sealMessage({ payload, externalData: external, kid: under, signer });
    expect(seal(bytesOf(0, MAX_MESSAGE_BYTES - 86)).length).toBe(MAX_MESSAGE_BYTES);
    expect(codeOf(() => seal(bytesOf(0, MAX_MESSAGE_BYTES - 85)))).toBe('out-of-range');
    expect(codeOf(() => seal(bytesOf(0, 10), kid.slice(1)))).toBe('out-of-range');
    const shortSigner = { publicKey: signer.publicKey, sign: () => bytesOf(0, 63) };
    expect(codeOf(() => sealMessage({ payload: kid, externalData: external, kid, signer: shortSigner }))).toBe(
      'out-of-range',
    );
  });
});
