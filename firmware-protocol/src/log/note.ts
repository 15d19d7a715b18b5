import { fromBase64, toBase64 } from '../base64.js';
import { bytesEqual, concatBytes } from '../bytes.js';
import { type Hasher, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type Signer, type Verifier } from '../crypto.js';
import { ProtocolError } from '../errors.js';
import { fromHex, toHex } from '../hex.js';
import { utf8Decode, utf8Encode } from '../utf8.js';

/** C2SP signed-note, "Signature types": the byte in front of the key. 0x04 will be the witnesses' cosignature. */
export const NOTE_KEY_ED25519 = 0x01;

/** A note with more signature lines than this is refused; the specification asks for at least 16. */
export const MAX_NOTE_SIGNATURES = 100;
export const MAX_NOTE_BYTES = 1_000_000;

const KEY_ID_BYTES = 4;
const LINE_START = '\u2014 ';

/** One signature line: whose key it claims (name and id), and the bytes after the id. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A note taken apart; nothing is verified yet. `text` ends in its newline. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** An Ed25519 key that a reader trusts to sign notes under a name. */
export interface NoteKey {
  readonly name: string;
  readonly publicKey: Uint8Array;
}

/** C2SP signed-note: the first 4 bytes of SHA-256 of name, newline, type byte, public key. */
export function noteKeyId(hasher: Hasher, name: string, type: number, publicKey: Uint8Array): Uint8Array {
  return hasher.sha256(utf8Encode(`${name}\n`), Uint8Array.of(type), publicKey).slice(0, KEY_ID_BYTES);
}

/** The text under which a key is handed out: `name+<8 hex digits of the id>+<base64 of type byte and key>`. */
export function verifierKeyText(hasher: Hasher, name: string, type: number, publicKey: Uint8Array): string {
  checkKeyName(name);
  const id = toHex(noteKeyId(hasher, name, type, publicKey));
  return `${name}+${id}+${toBase64(concatBytes(Uint8Array.of(type), publicKey))}`;
}

/** Reads an Ed25519 verifier key text. Throws `bad-note` on another type, a wrong id or any other form. */
export function parseVerifierKey(hasher: Hasher, text: string): NoteKey {
  const first = text.indexOf('+');
  const second = text.indexOf('+', first + 1);
  if (first < 0 || second < 0) throw new ProtocolError('bad-note', `verifier key: expected name+id+key, got ${text}`);
  const name = text.slice(0, first);
  checkKeyName(name);
  const id = decodeOr('bad-note', `key id of ${name}`, () => fromHex(text.slice(first + 1, second)));
  const blob = decodeOr('bad-note', `key of ${name}`, () => fromBase64(text.slice(second + 1)));
  if (blob[0] !== NOTE_KEY_ED25519 || blob.length !== 1 + PUBLIC_KEY_BYTES) {
    throw new ProtocolError('bad-note', `key of ${name}: expected type 1 and 32 bytes, got ${toHex(blob)}`);
  }
  const publicKey = blob.slice(1);
  if (toHex(noteKeyId(hasher, name, NOTE_KEY_ED25519, publicKey)) !== text.slice(first + 1, second)) {
    throw new ProtocolError('bad-note', `key of ${name}: the id ${toHex(id)} is not that of the key`);
  }
  return { name, publicKey };
}

/** The bytes of a note: text, an empty line, one line per signature. Throws `bad-note` on a text or name it cannot carry. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): Uint8Array {
  if (!text.endsWith('\n')) throw new ProtocolError('bad-note', 'text: expected a final newline');
  checkCharacters(text);
  if (signatures.length === 0 || signatures.length > MAX_NOTE_SIGNATURES) throw signatureCountError(signatures.length);
  return utf8Encode(`${text}\n${signatures.map(formatLine).join('')}`);
}

function formatLine({ name, keyId, signature }: NoteSignature): string {
  checkKeyName(name);
  return `${LINE_START}${name} ${toBase64(concatBytes(keyId, signature))}\n`;
}

/**
 * Untrusted: whatever came as a note. Takes it apart without verifying anything.
 * Splits at the last empty line, since the text may hold some itself. Throws `bad-note`.
 */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > MAX_NOTE_BYTES) {
    throw new ProtocolError('bad-note', `expected at most ${MAX_NOTE_BYTES} bytes, got ${bytes.length}`);
  }
  const whole = decodeOr('bad-note', 'text', () => utf8Decode(bytes));
  checkCharacters(whole);
  const split = whole.lastIndexOf('\n\n');
  const block = whole.slice(split + 2);
  if (split < 0 || !block.endsWith('\n')) {
    throw new ProtocolError('bad-note', 'expected text, an empty line, and signature lines that end in a newline');
  }
  const lines = block.slice(0, -1).split('\n');
  if (lines.length > MAX_NOTE_SIGNATURES) throw signatureCountError(lines.length);
  return { text: whole.slice(0, split + 1), signatures: lines.map(parseLine) };
}

function parseLine(line: string): NoteSignature {
  const space = line.indexOf(' ', LINE_START.length);
  if (!line.startsWith(LINE_START) || space < 0) {
    throw new ProtocolError('bad-note', `signature line: expected em dash, name and base64, got ${line.slice(0, 80)}`);
  }
  const name = line.slice(LINE_START.length, space);
  checkKeyName(name);
  const blob = decodeOr('bad-note', `signature of ${name}`, () => fromBase64(line.slice(space + 1)));
  if (blob.length <= KEY_ID_BYTES) {
    throw new ProtocolError('bad-note', `signature of ${name}: expected more than a key id, got ${blob.length} bytes`);
  }
  return { name, keyId: blob.slice(0, KEY_ID_BYTES), signature: blob.slice(KEY_ID_BYTES) };
}

/** Signs a text under a name: a note with one Ed25519 line. The signature covers the text with its final newline. */
export function signNote(input: { text: string; name: string; signer: Signer; hasher: Hasher }): Uint8Array {
  const { text, name, signer, hasher } = input;
  const keyId = noteKeyId(hasher, name, NOTE_KEY_ED25519, signer.publicKey);
  return formatNote(text, [{ name, keyId, signature: signer.sign(utf8Encode(text)) }]);
}

/** A note of which at least one trusted key signed the text, each key named once. */
export interface VerifiedNote {
  readonly text: string;
  readonly signedBy: readonly NoteKey[];
}

/**
 * Verifies a note against the keys a reader trusts. Lines of unknown name-and-id pairs are passed over; every line of a
 * known pair must verify, and at least one must be there. Throws `bad-note`.
 */
export function verifyNote(input: {
  note: Uint8Array;
  keys: readonly NoteKey[];
  verifier: Verifier;
  hasher: Hasher;
}): VerifiedNote {
  const { text, signatures } = parseNote(input.note);
  const known = input.keys.map((key) => ({
    key,
    id: noteKeyId(input.hasher, key.name, NOTE_KEY_ED25519, key.publicKey),
  }));
  const signedBy = new Set<NoteKey>();
  for (const line of signatures) {
    const matches = known.filter(({ key, id }) => key.name === line.name && bytesEqual(id, line.keyId));
    if (matches.length > 1) throw new ProtocolError('bad-note', `key ${nameLine(line)} is ambiguous`);
    for (const { key } of matches) {
      checkSignature(line, key, text, input.verifier);
      signedBy.add(key);
    }
  }
  if (signedBy.size === 0) {
    const expected = known.map(({ key, id }) => `${key.name}+${toHex(id)}`).join(', ');
    const got = signatures.map(nameLine).join(', ').slice(0, 400);
    throw new ProtocolError('bad-note', `no signature of a trusted key: expected ${expected || 'none'}, got ${got}`);
  }
  return { text, signedBy: [...signedBy] };
}

function checkSignature(line: NoteSignature, key: NoteKey, text: string, verifier: Verifier): void {
  const rightLength = line.signature.length === SIGNATURE_BYTES;
  if (!rightLength || !verifier.verify(key.publicKey, utf8Encode(text), line.signature)) {
    throw new ProtocolError('bad-note', `signature of ${nameLine(line)} does not hold`);
  }
}

function nameLine({ name, keyId }: NoteSignature): string {
  return `${name}+${toHex(keyId)}`;
}

/** C2SP signed-note: a key name is not empty and has neither a Unicode space nor a plus. Throws `bad-note`. */
export function checkKeyName(name: string): void {
  if (name.length === 0 || /[\p{White_Space}+]/u.test(name)) {
    throw new ProtocolError(
      'bad-note',
      `key name: expected no space, no plus and not empty, got "${name.slice(0, 80)}"`,
    );
  }
  checkCharacters(name);
}

// So CRLF is refused too: nothing below a space but the newline itself.
function checkCharacters(text: string): void {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x0a) {
      throw new ProtocolError('bad-note', `character ${i}: expected no control character but newline, got ${code}`);
    }
  }
}

function signatureCountError(count: number): ProtocolError {
  return new ProtocolError('bad-note', `expected 1 to ${MAX_NOTE_SIGNATURES} signatures, got ${count}`);
}

function decodeOr<T>(code: 'bad-note', what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new ProtocolError(code, `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
