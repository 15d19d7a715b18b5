import { describe, expect, it } from 'vitest';
import { nobleSha256 as hasher, nobleSigner, nobleVerifier as verifier } from '../src/crypto.js';
import {
  formatNote,
  MAX_NOTE_BYTES,
  NOTE_KEY_ED25519,
  noteKeyId,
  parseNote,
  parseVerifierKey,
  signNote,
  verifierKeyText,
  verifyNote,
} from '../src/log/index.js';
import { utf8Encode } from '../src/utf8.js';
import vectors from '../vectors/log-notes.json' with { type: 'json' };
import { refusal } from './log-helpers.js';

const example = vectors.good[0]!;
const keyOf = (text: string) => parseVerifierKey(hasher, text);
const exampleKeys = example.keys.map(keyOf);
const open = (note: string | Uint8Array, keys = exampleKeys) =>
  verifyNote({ note: typeof note === 'string' ? utf8Encode(note) : note, keys, verifier, hasher });

describe('a signed note', () => {
  it.each(vectors.good)('verifies: $desc', ({ keys, note, text, signedBy }) => {
    const verified = open(note, keys.map(keyOf));
    expect(verified.text).toBe(text);
    expect(verified.signedBy.map(({ name }) => name)).toEqual(signedBy);
  });

  it.each(vectors.bent)('is refused with $desc', ({ replace, with: by }) => {
    expect(example.note).toContain(replace);
    expect(refusal(() => open(example.note.replace(replace, by)))).toBe('bad-note');
  });

  it('is refused with text that is not UTF-8', () => {
    for (const wrong of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x80]]) {
      const note = new Uint8Array([...wrong, ...utf8Encode(example.note)]);
      expect(refusal(() => open(note))).toBe('bad-note');
    }
  });

  it('is refused with 101 signatures, read with 100', () => {
    const [head, line] = example.note.split('\n\n') as [string, string];
    expect(open(`${head}\n\n${line.repeat(100)}`).signedBy).toHaveLength(1);
    expect(refusal(() => open(`${head}\n\n${line.repeat(101)}`))).toBe('bad-note');
    expect(refusal(() => open(`${head}\n\n${line.replace('/foo', '/bar').repeat(100)}${line}`))).toBe('bad-note');
  });

  it('is refused beyond its largest size, before anything else', () => {
    const note = new Uint8Array(MAX_NOTE_BYTES + 1);
    expect(refusal(() => parseNote(note))).toBe('bad-note');
  });

  it('counts a key once, however many lines it wrote', () => {
    const [head, line] = example.note.split('\n\n') as [string, string];
    expect(open(`${head}\n\n${line}${line}${line}`).signedBy).toEqual(exampleKeys);
  });

  it('passes over lines of keys that the reader does not know', () => {
    const two = vectors.good[1]!;
    const [peter, enoch] = two.keys.map(keyOf) as [(typeof exampleKeys)[0], (typeof exampleKeys)[0]];
    expect(open(two.note, [peter]).signedBy).toEqual([peter]);
    expect(open(two.note, [enoch]).signedBy).toEqual([enoch]);
    expect(refusal(() => open(two.note, []))).toBe('bad-note');
    expect(refusal(() => open(two.note, exampleKeys))).toBe('bad-note');
  });

  it('is refused where the reader holds one key twice and it signed', () => {
    expect(refusal(() => open(example.note, [...exampleKeys, ...exampleKeys]))).toBe('bad-note');
  });

  it('is split at its last empty line, since a text may hold some', () => {
    const signer = nobleSigner(new Uint8Array(32).fill(7));
    const text = 'first\n\n\u2014 not a signature\n\nlast\n';
    const note = signNote({ text, name: 'example.com/bar', signer, hasher });
    expect(parseNote(note).text).toBe(text);
    expect(open(note, [{ name: 'example.com/bar', publicKey: signer.publicKey }]).text).toBe(text);
  });

  it('is written byte for byte as it was read', () => {
    for (const { note } of vectors.good) {
      const parsed = parseNote(utf8Encode(note));
      expect(formatNote(parsed.text, parsed.signatures)).toEqual(utf8Encode(note));
    }
  });

  it('is not written over what it cannot carry', () => {
    const signer = nobleSigner(new Uint8Array(32).fill(7));
    const sign = (text: string, name: string) => refusal(() => signNote({ text, name, signer, hasher }));
    expect(sign('no newline', 'example.com/bar')).toBe('bad-note');
    expect(sign('carriage\r\n', 'example.com/bar')).toBe('bad-note');
    for (const name of [
      '',
      'with space',
      'with+plus',
      'no\u00a0break',
      'line\u2028',
      'em\u2003space',
      'tab\t',
      'nul\u0000',
    ]) {
      expect(sign('text\n', name)).toBe('bad-note');
    }
    expect(refusal(() => formatNote('text\n', []))).toBe('bad-note');
  });
});

describe('a verifier key text', () => {
  it.each(vectors.good.flatMap(({ keys }) => keys))('%s is read and written back', (text) => {
    const { name, publicKey } = keyOf(text);
    expect(verifierKeyText(hasher, name, NOTE_KEY_ED25519, publicKey)).toBe(text);
  });

  it.each(vectors.badKeys)('is refused: $desc', ({ key }) => {
    expect(refusal(() => keyOf(key))).toBe('bad-note');
  });

  it('is refused when any byte of it changes or any part is missing', () => {
    const text = example.keys[0]!;
    for (let i = 0; i < text.length; i += 1) {
      const bent = text.slice(0, i) + String.fromCharCode(text.charCodeAt(i) + 1) + text.slice(i + 1);
      expect(refusal(() => keyOf(bent))).toBe('bad-note');
      expect(refusal(() => keyOf(text.slice(0, i)))).toBe('bad-note');
      if (i > 0) expect(refusal(() => keyOf(text.slice(i)))).toBe('bad-note');
    }
  });

  it('has another id for a log than for a witness', () => {
    const key = nobleSigner(
      Uint8Array.from(Buffer.from('31ffc2116ecbe003acaa800ab70757bd7d53206e3febef6a6d0796d95530b34f', 'hex')),
    );
    const id = (type: number) =>
      Buffer.from(noteKeyId(hasher, 'example.com/witness', type, key.publicKey)).toString('hex');
    expect([id(0x01), id(0x04)]).toEqual(['05828f80', '10a1c019']);
  });
});
