import { type CborKey, type CborValue, decodeCbor } from './cbor.js';
import { CborReader, MAJOR } from './cbor-reader.js';
import { CborWriter } from './cbor-writer.js';
import { PUBLIC_KEY_BYTES, type Verifier } from './crypto.js';
import { ProtocolError } from './errors.js';

/**
 * COSE_Sign1 in general (RFC 9052 section 4.2), for objects of other makers and for published vectors. Messages of this
 * project go through the narrower `sealed.ts`.
 */
export interface CoseSign1 {
  /** The protected header as it was sent: an encoded map, or nothing. */
  readonly protectedBytes: Uint8Array;
  readonly protected: ReadonlyMap<CborKey, CborValue>;
  readonly unprotected: ReadonlyMap<CborKey, CborValue>;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

export interface CoseLimits {
  readonly maxBytes?: number;
  readonly maxDepth?: number;
  /** Whether tag 18 must be there, or may be left off where the context says what the bytes are. */
  readonly tag?: 'required' | 'optional';
}

const TAG_SIGN1 = 18;
const ALG_EDDSA = -8;
/** Header labels, RFC 9052 section 3.1. */
const LABEL = { alg: 1, crit: 2, contentType: 3, kid: 4 } as const;
const UNDERSTOOD: ReadonlySet<CborKey> = new Set<CborKey>([LABEL.alg, LABEL.contentType, LABEL.kid]);
const SIGNATURE_CONTEXT = 'Signature1';

const DEFAULT_MAX_BYTES = 64 * 1024;
const DEFAULT_MAX_DEPTH = 8;

/**
 * Untrusted: the structure only. Throws `cose-tag` for another tag than 18 and `cose-structure` for everything else that is
 * not a COSE_Sign1 in deterministic CBOR with its payload inside.
 */
export function parseCoseSign1(message: Uint8Array, limits: CoseLimits = {}): CoseSign1 {
  const maxBytes = limits.maxBytes ?? DEFAULT_MAX_BYTES;
  if (message.length > maxBytes) throw structureError(`at most ${maxBytes} bytes`, String(message.length));
  const body = readTag(message, limits.tag ?? 'required');
  const value = decodeCbor(body, { maxDepth: limits.maxDepth ?? DEFAULT_MAX_DEPTH, code: 'cose-structure' });
  if (!Array.isArray(value) || value.length !== 4) throw structureError('an array of four', 'something else');
  const [protectedBytes, unprotected, payload, signature] = value as CborValue[];
  if (!(protectedBytes instanceof Uint8Array))
    throw structureError('the protected header as a byte string', 'something else');
  if (!(unprotected instanceof Map)) throw structureError('the unprotected header as a map', 'something else');
  if (!(payload instanceof Uint8Array))
    throw structureError('the payload as a byte string', payload === null ? 'a detached one' : 'something else');
  if (!(signature instanceof Uint8Array)) throw structureError('the signature as a byte string', 'something else');
  const header = readProtected(protectedBytes, limits.maxDepth ?? DEFAULT_MAX_DEPTH);
  checkLabels(header, unprotected);
  return { protectedBytes, protected: header, unprotected, payload, signature };
}

/** The bytes behind the tag. */
function readTag(message: Uint8Array, rule: 'required' | 'optional'): Uint8Array {
  const reader = new CborReader(message, 'cose-tag');
  if (reader.peek('COSE_Sign1') !== MAJOR.tag) {
    if (rule === 'optional') return message;
    throw reader.fail('COSE_Sign1', 'tag 18', 'no tag');
  }
  const tag = reader.tag('COSE_Sign1');
  if (tag !== TAG_SIGN1) throw reader.fail('COSE_Sign1', 'tag 18', `tag ${tag}`);
  return message.subarray(reader.at);
}

function readProtected(bytes: Uint8Array, maxDepth: number): ReadonlyMap<CborKey, CborValue> {
  if (bytes.length === 0) return new Map();
  const value = decodeCbor(bytes, { maxDepth, code: 'cose-structure' });
  if (!(value instanceof Map)) throw structureError('a map in the protected header', 'something else');
  return value;
}

/** RFC 9052 section 3: a label stands in one header only; section 3.1: what `crit` names must be understood. */
function checkLabels(header: ReadonlyMap<CborKey, CborValue>, unprotected: ReadonlyMap<CborKey, CborValue>): void {
  for (const label of unprotected.keys()) {
    if (header.has(label)) throw structureError('each label in one header', `label ${label} in both`);
  }
  if (unprotected.has(LABEL.crit)) throw structureError('crit in the protected header', 'it in the other');
  const crit = header.get(LABEL.crit);
  if (crit === undefined) return;
  if (!Array.isArray(crit) || crit.length === 0) throw structureError('crit as labels', 'something else');
  for (const label of crit as CborKey[]) {
    if (!UNDERSTOOD.has(label) || !header.has(label))
      throw structureError('critical labels that are understood', String(label));
  }
}

/**
 * Checks the signature by the one Ed25519 rule. Throws `cose-algorithm` where the header does not say EdDSA (-8),
 * `cose-key` where the key is not one of Ed25519, `cose-signature` where the signature does not hold.
 */
export function verifyCoseSign1(
  cose: CoseSign1,
  using: { readonly externalData: Uint8Array; readonly publicKey: Uint8Array; readonly verifier: Verifier },
): void {
  const algorithm = cose.protected.get(LABEL.alg) ?? cose.unprotected.get(LABEL.alg);
  if (algorithm !== ALG_EDDSA) {
    throw new ProtocolError('cose-algorithm', `algorithm: expected EdDSA (${ALG_EDDSA}), got ${String(algorithm)}`);
  }
  if (using.publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new ProtocolError(
      'cose-key',
      `key: expected ${PUBLIC_KEY_BYTES} bytes of Ed25519, got ${using.publicKey.length}`,
    );
  }
  const signed = sigStructure(cose.protectedBytes, using.externalData, cose.payload);
  if (!using.verifier.verify(using.publicKey, signed, cose.signature)) {
    throw new ProtocolError('cose-signature', 'signature: expected one of the key over these bytes, got another');
  }
}

/** The bytes to be signed (RFC 9052 section 4.4). An encoded empty map counts as no protected header. */
export function sigStructure(protectedBytes: Uint8Array, externalData: Uint8Array, payload: Uint8Array): Uint8Array {
  const isEmptyMap = protectedBytes.length === 1 && protectedBytes[0] === 0xa0;
  const body = isEmptyMap ? new Uint8Array(0) : protectedBytes;
  return new CborWriter(body.length + externalData.length + payload.length + 40)
    .array(4)
    .text(SIGNATURE_CONTEXT)
    .bytes(body)
    .bytes(externalData)
    .bytes(payload)
    .finish();
}

function structureError(expected: string, got: string): ProtocolError {
  return new ProtocolError('cose-structure', `COSE_Sign1: expected ${expected}, got ${got}`);
}
