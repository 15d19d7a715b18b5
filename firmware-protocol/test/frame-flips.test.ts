import { describe, expect, it } from 'vitest';
import { bytesEqual } from '../src/bytes.js';
import { keyId, nobleSha256, nobleSigner } from '../src/crypto.js';
import { ProtocolError } from '../src/errors.js';
import { encodeFramePayload } from '../src/frame-encoder.js';
import { parseFramePayload } from '../src/frame-parser.js';
import { externalData, parseSealed, sealMessage } from '../src/sealed.js';
import { randomFrame } from './frame-shapes.js';
import { bytesOf, nodeVerifier, seededRandom } from './support.js';

const SEED = 20_260_101;
const signer = nobleSigner(bytesOf(0x0f));
const kid = keyId(nobleSha256, signer.publicKey);
const external = externalData('community.example/ledger', 'meter-frame/v1');
const random = seededRandom(SEED);
const messages = Array.from({ length: 20 }, () =>
  sealMessage({ payload: encodeFramePayload(randomFrame(random)), externalData: external, kid, signer }),
);

/** Rows 1 to 5 of what a ledger decides, as far as one enrolled key goes. */
function decide(message: Uint8Array): string {
  try {
    const sealed = parseSealed(message);
    if (!bytesEqual(sealed.kid, kid)) return 'unknown-key';
    if (!nodeVerifier.verify(signer.publicKey, sealed.toBeSigned(external), sealed.signature)) return 'bad-signature';
    parseFramePayload(sealed.payload);
    return 'accepted';
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

/** What the position of a changed byte says (PROTOCOL 5.1). */
function expectedAt(message: Uint8Array, at: number): string {
  const payloadLength = parseSealed(message).payload.length;
  const payloadHead = payloadLength < 24 ? 1 : payloadLength < 256 ? 2 : 3;
  const payloadFrom = 17 + payloadHead;
  const signatureFrom = payloadFrom + payloadLength + 2;
  if (at >= 8 && at < 16) return 'unknown-key';
  if (at >= payloadFrom && at < payloadFrom + payloadLength) return 'bad-signature';
  if (at >= signatureFrom) return 'bad-signature';
  return 'malformed';
}

describe(`twenty frames of different shape (seed ${SEED})`, () => {
  it('are accepted as they are, and none is like another', () => {
    for (const message of messages) expect(decide(message)).toBe('accepted');
    expect(new Set(messages.map((message) => message.length)).size).toBeGreaterThan(15);
  });

  it.each([0xff, 0x01, 0x80])(
    'are refused with any byte changed by exclusive or with %i, with the code of its place',
    (mask) => {
      for (const [index, message] of messages.entries()) {
        for (let at = 0; at < message.length; at++) {
          const got = decide(message.with(at, message[at]! ^ mask));
          if (got !== expectedAt(message, at))
            expect.fail(`frame ${index}, byte ${at}: expected ${expectedAt(message, at)}, got ${got}`);
        }
      }
    },
  );

  it('are refused with any bit of the first forty bytes changed, with the code of its place', () => {
    for (const [index, message] of messages.entries()) {
      for (let bit = 0; bit < 320; bit++) {
        const at = bit >> 3;
        const got = decide(message.with(at, message[at]! ^ (1 << (bit & 7))));
        if (got !== expectedAt(message, at))
          expect.fail(`frame ${index}, bit ${bit}: expected ${expectedAt(message, at)}, got ${got}`);
      }
    }
  });
});
