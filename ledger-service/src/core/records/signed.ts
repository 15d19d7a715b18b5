/** Signed entries (LOG 3.3): a payload, the COSE_Sign1 around it, and the leaf data or content that holds that. */
import {
  type CborKey,
  type CborValue,
  cborMap,
  encodeCbor,
  externalData,
  type Hasher,
  keyId,
  parseSealed,
  type Sealed,
  type SealedKind,
  type Signer,
  sealMessage,
  type Verifier,
} from '@commonwatt/firmware-protocol';
import {
  decodeEntry,
  ENTRY_VERSION,
  encodeEntry,
  KIND,
  type Kind,
  MAX_ENTRY_BYTES,
} from '@commonwatt/firmware-protocol/log';
import { LedgerError } from '../errors.js';
import { asArray, asBytes, asFields, asHash, badEntry, decode, refusing, sameBytes } from './fields.js';

type Fields = ReadonlyMap<CborKey, CborValue>;

/** Kinds whose leaf holds a commitment; all others stand in public. A seal's leaf stands in the seal's own tree only. */
const PRIVATE_KINDS: readonly Kind[] = [
  KIND.party,
  KIND.counterEvent,
  KIND.frame,
  KIND.transfer,
  KIND.correction,
  KIND.sealLeaf,
  KIND.evidence,
];

export const isPrivateKind = (kind: Kind): boolean => PRIVATE_KINDS.includes(kind);

/** A leaf of the log: a public entry's body, or a private one's commitment. */
export type Leaf =
  | { readonly kind: Kind; readonly body: Fields; readonly commitment?: undefined }
  | { readonly kind: Kind; readonly body?: undefined; readonly commitment: Uint8Array };

/** Untrusted: a leaf as it was exported. Throws `bad-entry` also for kinds that never stand in a log (13, 17). */
export function parseLeaf(leafData: Uint8Array): Leaf {
  const { kind, body } = refusing('leaf', () => decodeEntry(leafData));
  if (kind === KIND.sealLeaf || kind === KIND.command) throw badEntry('leaf', 'a kind of the log', `kind ${kind}`);
  if (isPrivateKind(kind)) return { kind, commitment: asHash(body as CborValue, `commitment of kind ${kind}`) };
  if (!(body instanceof Map)) throw badEntry(`entry of kind ${kind}`, 'a map', body);
  return { kind, body };
}

/** The payload that is signed: CBOR `[kind, version, fields]`. */
export function encodePayload(kind: Kind, fields: readonly (readonly [number, CborValue | undefined])[]): Uint8Array {
  return encodeCbor([kind, ENTRY_VERSION, cborMap(fields)]);
}

/** The fields of a payload of this kind; `bad-entry` for another kind or version. */
export function parsePayload(
  kind: Kind,
  payload: Uint8Array,
  keys: { readonly required: readonly number[]; readonly optional?: readonly number[] },
): Fields {
  const what = `payload of kind ${kind}`;
  const [is, version, fields] = asArray(decode(payload, what, MAX_ENTRY_BYTES), what, 3);
  if (is !== kind) throw badEntry(what, `kind ${kind}`, is);
  if (version !== ENTRY_VERSION) throw badEntry(what, `version ${ENTRY_VERSION}`, version);
  return asFields(fields, what, keys);
}

/** Signs a payload for a community's log. `signer` is the operator, a member, or (by `sealedKind`) a device. */
export function sealEntry(input: {
  readonly payload: Uint8Array;
  readonly origin: string;
  readonly signer: Signer;
  readonly hasher: Hasher;
  readonly sealedKind?: SealedKind;
}): Uint8Array {
  const { payload, origin, signer, hasher, sealedKind = 'log-entry/v1' } = input;
  return refusing('signed entry', () =>
    sealMessage({
      payload,
      externalData: externalData(origin, sealedKind),
      kid: keyId(hasher, signer.publicKey),
      signer,
      maxBytes: MAX_ENTRY_BYTES,
    }),
  );
}

/** Takes a signed entry apart without verifying it: whose kid it claims, and the payload. Throws `bad-entry`. */
export function parseSealedEntry(message: Uint8Array): Sealed {
  return refusing('signed entry', () => parseSealed(message, MAX_ENTRY_BYTES));
}

/** The payload of a signed entry, verified. Throws `bad-entry` for what is none, `bad-signer` for another's or a broken signature. */
export function openSignedEntry(input: {
  readonly message: Uint8Array;
  readonly origin: string;
  readonly publicKey: Uint8Array;
  readonly hasher: Hasher;
  readonly verifier: Verifier;
  readonly sealedKind?: SealedKind;
}): Uint8Array {
  const { message, origin, publicKey, hasher, verifier, sealedKind = 'log-entry/v1' } = input;
  const sealed = parseSealedEntry(message);
  if (!sameBytes(sealed.kid, keyId(hasher, publicKey))) {
    throw new LedgerError('bad-signer', 'signed entry: expected the kid of the key that may sign it, got another');
  }
  if (!verifier.verify(publicKey, sealed.toBeSigned(externalData(origin, sealedKind)), sealed.signature)) {
    throw new LedgerError('bad-signer', `signed entry: the signature does not hold for ${origin} ${sealedKind}`);
  }
  return sealed.payload;
}

/** Leaf data of a public signed entry; kind 4 after a fork holds the operator's signature too. */
export function signedEntry(kind: Kind, message: Uint8Array, operatorMessage?: Uint8Array): Uint8Array {
  if (isPrivateKind(kind)) throw badEntry('signed entry', 'a public kind', `kind ${kind}`);
  return refusing('signed entry', () => encodeEntry(kind, ENTRY_VERSION, signedBody(message, operatorMessage)));
}

/** Content of a private signed entry. */
export function signedContent(message: Uint8Array): Uint8Array {
  return encodeCbor(signedBody(message));
}

/** The body of a public signed entry, for who appends body by body. */
export function signedBody(message: Uint8Array, operatorMessage?: Uint8Array): Map<CborKey, CborValue> {
  return cborMap([
    [1, message],
    [2, operatorMessage],
  ]);
}

/** The messages in a public signed entry's body. */
export function parseSignedBody(kind: Kind, body: Fields): { message: Uint8Array; operatorMessage?: Uint8Array } {
  const what = `entry of kind ${kind}`;
  const optional = kind === KIND.gatewayEpoch ? [2] : [];
  const fields = asFields(body as CborValue, what, { required: [1], optional });
  const message = asBytes(fields.get(1), `${what}: signed message`);
  if (!fields.has(2)) return { message };
  return { message, operatorMessage: asBytes(fields.get(2), `${what}: operator's message`) };
}

/** The message in a private signed entry's content. */
export function parseSignedContent(content: Uint8Array): Uint8Array {
  const what = 'signed content';
  const fields = asFields(decode(content, what, MAX_ENTRY_BYTES), what, { required: [1] });
  return asBytes(fields.get(1), `${what}: signed message`);
}
