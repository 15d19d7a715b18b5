/** Private keys at rest: one Ed25519 key a file, PKCS #8 in PEM (openssl reads it), for its owner alone. */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Signer } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import { nodeSigner } from './node-signer.js';

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;
const MAX_KEY_FILE_BYTES = 4096;

/**
 * Draws a key and writes it durably with mode 0600. The file appears whole or not at all. Throws 'bad-file' when
 * something is there already: a key is never replaced by this program.
 */
export function createKeyFile(file: string): Signer {
  const { privateKey } = generateKeyPairSync('ed25519');
  const draft = `${file}.${randomBytes(6).toString('hex')}.new`;
  try {
    writeDurably(draft, privateKey.export({ format: 'pem', type: 'pkcs8' }));
    try {
      linkSync(draft, file);
    } finally {
      unlinkSync(draft);
    }
    syncFolder(dirname(file));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'is there already; a key is never replaced' : `cannot be written (${code})`;
    throw new LedgerError('bad-file', `key file ${file} ${why}`, { cause });
  }
  return nodeSigner(privateKey);
}

/** Throws 'bad-file' when it is missing, open to others, or not one Ed25519 key. */
export function readKeyFile(file: string): Signer {
  try {
    return nodeSigner(parseKey(readPrivately(file)));
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause;
    throw new LedgerError('bad-file', `key file ${file}: ${cause.message}`, { cause: cause.cause });
  }
}

function writeDurably(file: string, text: string | Buffer): void {
  const handle = openSync(file, 'wx', OWNER_ONLY);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

// Mode and text come from one handle, so that nobody can swap the file between the two.
function readPrivately(file: string): string {
  let handle: number;
  try {
    // Without O_NONBLOCK a named pipe would hold the process until somebody writes.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is none; commonwatt init makes the keys' : `it cannot be read (${code})`;
    throw new LedgerError('bad-file', why, { cause });
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw new LedgerError('bad-file', 'expected a file');
    if (process.platform !== 'win32' && (stat.mode & OTHERS) !== 0) throw openToOthers(file, stat.mode);
    if (stat.size > MAX_KEY_FILE_BYTES) {
      throw new LedgerError('bad-file', `expected at most ${MAX_KEY_FILE_BYTES} bytes, got ${stat.size}`);
    }
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

function openToOthers(file: string, mode: number): LedgerError {
  const got = (mode & 0o777).toString(8).padStart(4, '0');
  return new LedgerError(
    'bad-file',
    `expected mode 0600, got ${got}: others could use this key; run chmod 600 ${file}`,
  );
}

function parseKey(text: string): KeyObject {
  try {
    return createPrivateKey({ key: text, format: 'pem' });
  } catch (cause) {
    throw new LedgerError('bad-file', 'expected a private key in PEM, got something else', { cause });
  }
}
