import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createKeyFile, readKeyFile } from '../src/adapters/system/key-file.js';
import { nodeVerifier } from '../src/adapters/system/node-crypto.js';

const folder = mkdtempSync(join(tmpdir(), 'commonwatt-key-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const newFile = (): string => join(folder, `${count++}.key`);

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toMatchObject({ name: 'LedgerError', code: 'bad-file' });
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

describe('a new key file', () => {
  it('holds the key that signed, for its owner alone, under any umask', () => {
    for (const mask of [0o000, 0o022, 0o077]) {
      const file = newFile();
      const before = process.umask(mask);
      const made = createKeyFile(file);
      process.umask(before);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const read = readKeyFile(file);
      const message = Uint8Array.of(1, 2, 3);
      expect(read.publicKey).toEqual(made.publicKey);
      expect(read.sign(message)).toEqual(made.sign(message));
      expect(nodeVerifier().verify(read.publicKey, message, read.sign(message))).toBe(true);
    }
  });

  it('never takes the place of a file that is there, and leaves no draft behind', () => {
    const file = newFile();
    createKeyFile(file);
    const before = readFileSync(file);
    expect(refusal(() => createKeyFile(file))).toMatch(/is there already; a key is never replaced/);
    expect(readFileSync(file)).toEqual(before);
    const empty = newFile();
    writeFileSync(empty, '');
    refusal(() => createKeyFile(empty));
    expect(readFileSync(empty, 'utf8')).toBe('');
    expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('says why it cannot be written', () => {
    expect(refusal(() => createKeyFile(join(folder, 'nowhere', 'log.key')))).toMatch(
      /nowhere\/log.key cannot be written \(ENOENT\)/,
    );
  });

  it('is another key each time, and one that openssl reads', () => {
    const [one, two] = [newFile(), newFile()];
    expect(createKeyFile(one).publicKey).not.toEqual(createKeyFile(two).publicKey);
    expect(readFileSync(one, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });
});

describe('reading refuses', () => {
  it.each([0o644, 0o640, 0o604, 0o660, 0o610, 0o700 | 0o001])('mode %o, and says what to do', (mode) => {
    const file = newFile();
    createKeyFile(file);
    chmodSync(file, mode);
    const got = mode.toString(8).padStart(4, '0');
    expect(refusal(() => readKeyFile(file))).toBe(
      `key file ${file}: expected mode 0600, got ${got}: others could use this key; run chmod 600 ${file}`,
    );
    chmodSync(file, 0o400);
    expect(readKeyFile(file).publicKey).toHaveLength(32);
  });

  it('a file open to others behind a link', () => {
    const file = newFile();
    createKeyFile(file);
    chmodSync(file, 0o644);
    const link = newFile();
    symlinkSync(file, link);
    expect(refusal(() => readKeyFile(link))).toMatch(/expected mode 0600, got 0644/);
  });

  it('a missing file, a folder and an endless one', () => {
    expect(refusal(() => readKeyFile(newFile()))).toMatch(/there is none; commonwatt init makes the keys/);
    const place = newFile();
    mkdirSync(place, { mode: 0o700 });
    expect(refusal(() => readKeyFile(place))).toMatch(/expected a file/);
    const large = newFile();
    writeFileSync(large, Buffer.alloc(5000), { mode: 0o600 });
    expect(refusal(() => readKeyFile(large))).toMatch(/expected at most 4096 bytes, got 5000/);
  });

  it('a pipe, without waiting for its writer', () => {
    const pipe = newFile();
    execFileSync('mkfifo', ['-m', '600', pipe]);
    expect(refusal(() => readKeyFile(pipe))).toMatch(/expected a file/);
  });

  it('what is no Ed25519 key', () => {
    const bad: [string, RegExp][] = [
      ['', /expected a private key in PEM/],
      ['deadbeef'.repeat(8), /expected a private key in PEM/],
      ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /expected a private key in PEM/],
      [generated('x25519'), /expected a private Ed25519 key, got x25519/],
      [generated('ed448'), /expected a private Ed25519 key, got ed448/],
    ];
    for (const [text, sentence] of bad) {
      const file = newFile();
      writeFileSync(file, text, { mode: 0o600 });
      expect(refusal(() => readKeyFile(file))).toMatch(sentence);
    }
  });
});

function generated(type: 'x25519' | 'ed448'): string {
  const key = type === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ed448');
  return key.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}
