/** The library has no process: its outer doors are the functions that it exports. */
import {
  checkPublicKey,
  decodeCbor,
  encodeCbor,
  externalData,
  fromBase64,
  fromHex,
  keyId,
  makeVerifier,
  mwh,
  nobleSha256,
  nobleSigner,
  openEpoch,
  ProtocolError,
  parseAnswer,
  parseCoseSign1,
  parseFramePayload,
  parseKwh,
  parseSealed,
  parseStatus,
  sealMessage,
  topics,
  utf8Decode,
  verifyCoseSign1,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import { decodeEntry, parseCheckpoint, parseNote, verifyInclusion } from '@commonwatt/firmware-protocol/log';
import { decodeUint, findProfile, walkSunSpec } from '@commonwatt/firmware-protocol/registers';
import { describe } from 'vitest';
import { producesCode } from './support/produces.js';

/** The code of what is thrown; nothing when nothing is. */
async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return undefined;
}

const hasher = nobleSha256;
const verifier = makeVerifier(() => false);
const signer = nobleSigner(new Uint8Array(32).fill(7));
const kid = keyId(hasher, signer.publicKey);
const hash = new Uint8Array(32);

/** A COSE_Sign1 under that protected header. */
function cose(header: ReadonlyMap<number, number>) {
  const body = encodeCbor([encodeCbor(header), new Map(), Uint8Array.of(1), new Uint8Array(64)]);
  return parseCoseSign1(Uint8Array.of(0xd2, ...body));
}
const EDDSA = new Map([[1, -8]]);
const ES256 = new Map([[1, -7]]);
const using = { externalData: new Uint8Array(), publicKey: signer.publicKey, verifier };

describe('values and texts', () => {
  producesCode('firmware-protocol', 'out-of-range', () => codeOf(() => mwh(0.5)));
  producesCode('firmware-protocol', 'bad-number', () => codeOf(() => parseKwh('1.2345678')));
  producesCode('firmware-protocol', 'bad-text', () => codeOf(() => utf8Decode(Uint8Array.of(0xc0, 0x80))));
  producesCode('firmware-protocol', 'bad-hex', () => codeOf(() => fromHex('abc')));
  producesCode('firmware-protocol', 'bad-base64', () => codeOf(() => fromBase64('YQ')));
  producesCode('firmware-protocol', 'bad-id', () => codeOf(() => topics('sunny', '../home')));
});

describe('bytes on the wire', () => {
  producesCode('firmware-protocol', 'bad-cbor', () => codeOf(() => decodeCbor(Uint8Array.of(0x18, 1))));
  producesCode('firmware-protocol', 'malformed', () => codeOf(() => parseSealed(Uint8Array.of(1, 2, 3))));
  producesCode('firmware-protocol', 'bad-payload', () => codeOf(() => parseFramePayload(Uint8Array.of(0xa0))));
  producesCode('firmware-protocol', 'bad-answer', () => codeOf(() => parseAnswer(Uint8Array.of(0xa0))));
  producesCode('firmware-protocol', 'bad-status', () => codeOf(() => parseStatus(Uint8Array.of(0x7b))));
  producesCode('firmware-protocol', 'bad-receipt', () => {
    const sealed = externalData('coop.example/sunny', 'meter-frame/v1');
    const message = sealMessage({ payload: Uint8Array.of(0xa0), externalData: sealed, kid, signer });
    const answer = { messageHash: hash, code: 0, kid };
    const check = { answer, message, origin: 'coop.example/sunny', logKey: signer.publicKey, hasher, verifier };
    return codeOf(() => verifyReceipt(check));
  });
});

describe('signatures', () => {
  producesCode('firmware-protocol', 'bad-public-key', () => codeOf(() => checkPublicKey(new Uint8Array(32).fill(255))));
  producesCode('firmware-protocol', 'cose-tag', () => codeOf(() => parseCoseSign1(Uint8Array.of(0xd1, 0x80))));
  producesCode('firmware-protocol', 'cose-structure', () => codeOf(() => parseCoseSign1(Uint8Array.of(0xd2, 0x80))));
  producesCode('firmware-protocol', 'cose-algorithm', () => codeOf(() => verifyCoseSign1(cose(ES256), using)));
  producesCode('firmware-protocol', 'cose-key', () =>
    codeOf(() => verifyCoseSign1(cose(EDDSA), { ...using, publicKey: new Uint8Array(57) })),
  );
  producesCode('firmware-protocol', 'cose-signature', () => codeOf(() => verifyCoseSign1(cose(EDDSA), using)));
});

describe('sequence and log', () => {
  producesCode('firmware-protocol', 'bad-sequence', () =>
    codeOf(() => openEpoch(undefined, { epoch: 2, openingLeafHash: hash })),
  );
  producesCode('firmware-protocol', 'bad-proof', () =>
    codeOf(() => verifyInclusion(hasher, { index: 0, size: 1, leafHash: hash, path: [], root: signer.publicKey })),
  );
  producesCode('firmware-protocol', 'bad-note', () => codeOf(() => parseNote(Uint8Array.of(0x61))));
  producesCode('firmware-protocol', 'bad-checkpoint', () => codeOf(() => parseCheckpoint('coop.example/sunny\n')));
  producesCode('firmware-protocol', 'bad-entry', () => codeOf(() => decodeEntry(Uint8Array.of(0x80))));
});

describe('registers', () => {
  producesCode('firmware-protocol', 'unknown-profile', () => codeOf(() => findProfile('eastron-sdm63')));
  producesCode('firmware-protocol', 'bad-register', () => codeOf(() => decodeUint([1, 2, 3], 'high-first')));
  producesCode('firmware-protocol', 'bad-sunspec', () => codeOf(() => walkSunSpec(async () => [0, 0])));
});
