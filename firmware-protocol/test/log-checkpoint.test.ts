import { describe, expect, it } from 'vitest';
import { nobleSha256 as hasher, nobleSigner, nobleVerifier as verifier } from '../src/crypto.js';
import { fromHex, toHex } from '../src/hex.js';
import {
  emptyRoot,
  formatCheckpoint,
  formatNote,
  noteKeyId,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  signCheckpoint,
  signNote,
} from '../src/log/index.js';
import { utf8Decode } from '../src/utf8.js';
import vectors from '../vectors/log-checkpoints.json' with { type: 'json' };
import notes from '../vectors/log-notes.json' with { type: 'json' };
import { refusal } from './log-helpers.js';

const origin = 'community.example/sonnenhof';
const signer = nobleSigner(new Uint8Array(32).fill(1));
const root = fromHex('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
const open = (note: Uint8Array, more: { origin?: string; logKey?: Uint8Array } = {}) =>
  openCheckpoint({ note, origin, logKey: signer.publicKey, hasher, verifier, ...more });

describe('a checkpoint text', () => {
  it.each(vectors.good)('is read and written back: $desc', (good) => {
    const parsed = parseCheckpoint(good.text);
    expect({ ...parsed, root: toHex(parsed.root) }).toEqual({ origin: good.origin, size: good.size, root: good.root });
    expect(formatCheckpoint(parsed)).toBe(good.text);
  });

  it.each(vectors.bad)('is refused: $desc', ({ text }) => {
    expect(refusal(() => parseCheckpoint(text))).toBe('bad-checkpoint');
  });

  it('is read from the Go checksum database, whose origin has spaces', () => {
    const { size } = parseCheckpoint(notes.good[2]!.text);
    expect(size).toBe(35_225_469);
  });

  it('is not written for a head that is none', () => {
    for (const bent of [{ size: -1 }, { size: 0.5 }, { size: 2 ** 53 }, { size: 1e21 }, { root: root.slice(1) }]) {
      expect(refusal(() => formatCheckpoint({ origin, size: 8, root, ...bent }))).toBe('bad-checkpoint');
    }
    expect(refusal(() => formatCheckpoint({ origin: 'two\nlines', size: 8, root }))).toBe('bad-checkpoint');
  });
});

describe('a signed checkpoint', () => {
  const note = signCheckpoint({ origin, size: 8, root, signer, hasher });

  it('opens with the log key under the origin as its name', () => {
    expect(open(note)).toEqual({ origin, size: 8, root });
    expect(
      utf8Decode(note).startsWith(`${origin}\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n\u2014 ${origin} `),
    ).toBe(true);
  });

  it('opens with the signatures of others beside the log\u2019s', () => {
    const { text, signatures } = parseNote(note);
    const other = { name: 'somebody', keyId: new Uint8Array(4), signature: new Uint8Array(72) };
    expect(open(formatNote(text, [other, ...signatures, other])).size).toBe(8);
  });

  it('is refused under another log key, though that key signed it', () => {
    const stranger = nobleSigner(new Uint8Array(32).fill(2));
    expect(refusal(() => open(note, { logKey: stranger.publicKey }))).toBe('bad-note');
    expect(refusal(() => open(signCheckpoint({ origin, size: 8, root, signer: stranger, hasher })))).toBe('bad-note');
  });

  it('is refused for another origin, also where the same key signs for both', () => {
    expect(refusal(() => open(note, { origin: 'community.example/other' }))).toBe('bad-note');
    const text = formatCheckpoint({ origin: 'community.example/other', size: 8, root });
    expect(refusal(() => open(signNote({ text, name: origin, signer, hasher })))).toBe('bad-checkpoint');
  });

  it('is refused when any byte changes', () => {
    for (let i = 0; i < note.length; i += 1) {
      const bent = note.slice();
      bent[i]! ^= 1;
      expect(refusal(() => open(bent))).toMatch(/^bad-(note|checkpoint)$/);
    }
  });

  it('is refused with an extension line, though the log signed it', () => {
    const text = `${formatCheckpoint({ origin, size: 8, root })}extension\n`;
    expect(refusal(() => open(signNote({ text, name: origin, signer, hasher })))).toBe('bad-checkpoint');
  });

  it('of size 0 opens only with the empty root', () => {
    expect(open(signCheckpoint({ origin, size: 0, root: emptyRoot(hasher), signer, hasher })).size).toBe(0);
    expect(refusal(() => open(signCheckpoint({ origin, size: 0, root, signer, hasher })))).toBe('bad-checkpoint');
  });

  it('is not signed for an origin that cannot be a key name', () => {
    for (const bad of ['go.sum database tree', 'a+b/c', 'no\u00a0break']) {
      expect(refusal(() => signCheckpoint({ origin: bad, size: 8, root, signer, hasher }))).toBe('bad-note');
    }
  });

  it('is refused with a signature of the log key over other text', () => {
    const keyId = noteKeyId(hasher, origin, 1, signer.publicKey);
    const { signatures } = parseNote(signCheckpoint({ origin, size: 9, root, signer, hasher }));
    const text = formatCheckpoint({ origin, size: 8, root });
    expect(refusal(() => open(formatNote(text, [{ name: origin, keyId, signature: signatures[0]!.signature }])))).toBe(
      'bad-note',
    );
  });
});
