import { type CborKey, type CborValue, decodeCbor, encodeCbor } from '../cbor.js';
import { CborWriter, headBytes } from '../cbor-writer.js';
import { HASH_BYTES, type Hasher } from '../crypto.js';
import { ProtocolError } from '../errors.js';

/** LOG 3.2: the kinds of log entries, by name. 13 is a leaf of a seal's own tree; 17 is reserved for governance. */
export const KIND = {
  genesis: 0,
  party: 1,
  device: 2,
  deviceRevoked: 3,
  gatewayEpoch: 4,
  counterEvent: 5,
  frame: 6,
  gap: 7,
  rules: 8,
  settlement: 9,
  transfer: 10,
  correction: 11,
  seal: 12,
  sealLeaf: 13,
  witnessPolicy: 14,
  evidence: 15,
  erasure: 16,
  command: 17,
} as const;

export type Kind = (typeof KIND)[keyof typeof KIND];

/** The version of every entry format so far. */
export const ENTRY_VERSION = 1;

/** LOG 3.1: a leaf's data stays below this, so that every bundle format with 16-bit lengths can carry it. */
export const MAX_ENTRY_BYTES = 65_535;

export const SALT_BYTES = 16;

/** The body of a public entry: a map with small unsigned keys. That of a private one: its commitment, 32 bytes. */
export type EntryBody = ReadonlyMap<CborKey, CborValue> | Uint8Array;

export interface LogEntry {
  readonly kind: Kind;
  readonly version: number;
  readonly body: EntryBody;
}

const HIGHEST_KIND = KIND.command;

/** LOG 3.1: leaf data, CBOR `[kind, version, body]`. Throws `bad-entry` when it passes the size an entry may have. */
export function encodeEntry(kind: Kind, version: number, body: EntryBody): Uint8Array {
  const data = encodeCbor([kind, version, body]);
  if (data.length > MAX_ENTRY_BYTES) {
    throw new ProtocolError('bad-entry', `kind ${kind}: expected at most ${MAX_ENTRY_BYTES} bytes, got ${data.length}`);
  }
  return data;
}

/** Untrusted: leaf data as it was handed out. The frame of every entry; the body's fields are each kind's own matter. */
export function decodeEntry(bytes: Uint8Array): LogEntry {
  const value = decodeCbor(bytes, { maxBytes: MAX_ENTRY_BYTES, code: 'bad-entry' });
  if (!Array.isArray(value) || value.length !== 3) {
    throw new ProtocolError('bad-entry', 'expected an array of kind, version and body');
  }
  const [kind, version, body] = value;
  if (!isKind(kind)) throw new ProtocolError('bad-entry', `kind: expected 0 to ${HIGHEST_KIND}, got ${show(kind)}`);
  if (version !== ENTRY_VERSION) {
    throw new ProtocolError('bad-entry', `version of kind ${kind}: expected ${ENTRY_VERSION}, got ${show(version)}`);
  }
  return { kind, version, body: checkBody(kind, body) };
}

function isKind(value: CborValue): value is Kind {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= HIGHEST_KIND;
}

function checkBody(kind: Kind, body: CborValue): EntryBody {
  if (body instanceof Map) return body;
  if (body instanceof Uint8Array && body.length === HASH_BYTES) return body;
  throw new ProtocolError('bad-entry', `body of kind ${kind}: expected a map or a commitment of ${HASH_BYTES} bytes`);
}

function show(value: CborValue): string {
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : typeof value;
}

/** LOG 4.1: what stands in the log for a private content: SHA-256 of the 16-byte salt and the content. */
export function commitment(hasher: Hasher, salt: Uint8Array, content: Uint8Array): Uint8Array {
  if (salt.length !== SALT_BYTES) {
    throw new ProtocolError('bad-entry', `salt: expected ${SALT_BYTES} bytes, got ${salt.length}`);
  }
  return hasher.sha256(salt, content);
}

/** LOG 4.1: leaf data of a private entry. */
export function privateEntry(kind: Kind, contentCommitment: Uint8Array): Uint8Array {
  if (contentCommitment.length !== HASH_BYTES) {
    const got = contentCommitment.length;
    throw new ProtocolError('bad-entry', `commitment of kind ${kind}: expected ${HASH_BYTES} bytes, got ${got}`);
  }
  const writer = new CborWriter(1 + headBytes(kind) + 1 + 2 + HASH_BYTES);
  return writer.array(3).uint(kind).uint(ENTRY_VERSION).bytes(contentCommitment).finish();
}

/** LOG 4.2: content of a frame's entry: when its bytes came (UTC seconds), and the whole signed message. */
export function frameContent(receivedS: number, message: Uint8Array): Uint8Array {
  return frameOpening(EMPTY, receivedS, message);
}

/** What lies beside a frame's entry: the salt, then the content. With 16 bytes of room in the salt's place, the salt may come later. */
export function frameOpening(salt: Uint8Array, receivedS: number, message: Uint8Array): Uint8Array {
  if (!Number.isSafeInteger(receivedS) || receivedS < 0) {
    throw new ProtocolError('bad-entry', `received: expected whole UTC seconds, got ${receivedS}`);
  }
  const size = 1 + headBytes(receivedS) + headBytes(message.length) + message.length;
  return new CborWriter(salt.length + size).raw(salt).array(2).uint(receivedS).bytes(message).finish();
}

const EMPTY = new Uint8Array();

/** LOG 4.2: a frame's leaf data, as the ledger appends it and as the box computes it from the receipt. */
export function frameLeaf(
  hasher: Hasher,
  opening: { readonly salt: Uint8Array; readonly receivedS: number; readonly message: Uint8Array },
): Uint8Array {
  const content = frameContent(opening.receivedS, opening.message);
  return privateEntry(KIND.frame, commitment(hasher, opening.salt, content));
}
