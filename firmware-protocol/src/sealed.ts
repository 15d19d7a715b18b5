import { concatBytes, viewBytes } from './bytes.js';
import { CborReader } from './cbor-reader.js';
import { CborWriter, headBytes } from './cbor-writer.js';
import { KID_BYTES, SIGNATURE_BYTES, type Signer } from './crypto.js';
import { ProtocolError } from './errors.js';
import { utf8Encode } from './utf8.js';

/** The kinds of sealed message; each stands in the external data of its signature (PROTOCOL 1.5). */
export type SealedKind =
  | 'meter-frame/v1'
  | 'epoch-request/v1'
  | 'gap-request/v1'
  | 'counter-event/v1'
  | 'frame-answer/v1'
  | 'log-entry/v1';

/** Longest sealed message (PROTOCOL 1.5). */
export const MAX_MESSAGE_BYTES = 4096;

/** A sealed message taken apart. All byte arrays are windows on the message. */
export interface Sealed {
  readonly kid: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** The bytes the signature is over, for the external data of this community and kind. */
  toBeSigned(externalData: Uint8Array): Uint8Array;
}

/**
 * The head of every sealed message up to the kid, PROTOCOL 1.5: tag 18, array of four, protected as a byte string of 13
 * bytes that holds exactly {1: -8, 4: kid}.
 */
const HEAD = Uint8Array.of(0xd2, 0x84, 0x4d, 0xa2, 0x01, 0x27, 0x04, 0x48);
const HEAD_NAMES = ['tag 18', 'array of four', ...new Array<string>(6).fill('protected {1: -8, 4: kid}')];
const PROTECTED_FROM = 2;
const KID_FROM = HEAD.length;
const KID_TO = KID_FROM + KID_BYTES;
const EMPTY_MAP = 0xa0;

/** RFC 9052 section 4.4: array of four, the text "Signature1". */
const SIG_STRUCTURE_HEAD = concatBytes(Uint8Array.of(0x84, 0x6a), utf8Encode('Signature1'));

/** What binds a signature to one community and one kind of message; it is not sent (PROTOCOL 1.5). */
export function externalData(origin: string, kind: SealedKind): Uint8Array {
  return utf8Encode(`${origin} ${kind}`);
}

/** Seals a payload: the same input gives the same bytes, always. Throws `out-of-range` where the message grows too long. */
export function sealMessage(input: {
  readonly payload: Uint8Array;
  readonly externalData: Uint8Array;
  readonly kid: Uint8Array;
  readonly signer: Signer;
  /** Longest message allowed; log entries may be longer than what goes over the wire. */
  readonly maxBytes?: number;
}): Uint8Array {
  const { payload, kid, signer, maxBytes = MAX_MESSAGE_BYTES } = input;
  if (kid.length !== KID_BYTES) {
    throw new ProtocolError('out-of-range', `kid: expected ${KID_BYTES} bytes, got ${kid.length}`);
  }
  const writer = new CborWriter(payload.length + 96).raw(HEAD).raw(kid);
  const protectedBytes = concatBytes(HEAD.subarray(PROTECTED_FROM), kid);
  const signature = signer.sign(structure(protectedBytes, input.externalData, payload));
  const message = writer.map(0).bytes(payload).bytes(signature).finish();
  if (message.length > maxBytes || signature.length !== SIGNATURE_BYTES) {
    throw new ProtocolError(
      'out-of-range',
      `sealed message: expected at most ${maxBytes} bytes and a signature of 64, got ${message.length} and ${signature.length}`,
    );
  }
  return message;
}

/**
 * Untrusted: bytes from the broker, before any signature check. Throws `malformed` for everything that is not the one
 * encoding of the profile: longer than `maxBytes`, another tag or array, other headers, a signature that is not 64 bytes,
 * non-deterministic CBOR, bytes at the end. The payload is not looked into.
 */
export function parseSealed(message: Uint8Array, maxBytes = MAX_MESSAGE_BYTES): Sealed {
  if (message.length > maxBytes) throw malformed(`at most ${maxBytes} bytes`, String(message.length));
  for (let i = 0; i < HEAD.length; i++) {
    if (message[i] !== HEAD[i]) throw malformed(HEAD_NAMES[i]!, describeByte(message, i));
  }
  if (message[KID_TO] !== EMPTY_MAP) throw malformed('an empty unprotected map', describeByte(message, KID_TO));
  const reader = new CborReader(viewBytes(message, KID_TO + 1, message.length), 'malformed');
  const payload = reader.bytes('sealed message: payload');
  const signature = reader.bytes('sealed message: signature', SIGNATURE_BYTES);
  reader.end('sealed message');
  return {
    kid: viewBytes(message, KID_FROM, KID_TO),
    payload,
    signature,
    toBeSigned: (external) => structure(viewBytes(message, PROTECTED_FROM, KID_TO), external, payload),
  };
}

/** Sig_structure of RFC 9052 section 4.4; `protectedString` is the protected header with its byte string head. */
function structure(protectedString: Uint8Array, external: Uint8Array, payload: Uint8Array): Uint8Array {
  const strings = headBytes(external.length) + external.length + headBytes(payload.length) + payload.length;
  const writer = new CborWriter(SIG_STRUCTURE_HEAD.length + protectedString.length + strings)
    .raw(SIG_STRUCTURE_HEAD)
    .raw(protectedString);
  return writer.bytes(external).bytes(payload).finish();
}

function describeByte(message: Uint8Array, at: number): string {
  const byte = message[at];
  return byte === undefined ? `the end at byte ${at}` : `0x${byte.toString(16).padStart(2, '0')} at byte ${at}`;
}

function malformed(expected: string, got: string): ProtocolError {
  return new ProtocolError('malformed', `sealed message: expected ${expected}, got ${got}`);
}
