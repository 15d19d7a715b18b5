import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Signer } from '@commonwatt/firmware-protocol';
import { toHex } from '@commonwatt/firmware-protocol';
import { GatewayError, reasonOf } from '../../errors.js';
import { generateKeyPem, nodeSigner, parseKeyPem } from './node-crypto.js';

export const KEY_FILE = 'device.key';
export const PUBLIC_KEY_FILE = 'device.pub';

/** Only the owner may read the private key. */
const KEY_MODE = 0o600;
const FOLDER_MODE = 0o700;

/**
 * The box's own key, in `folder`/device.key. Made at the first start, durable before it is used, with mode 0600; the
 * public half stands beside it in device.pub, as hex, for enrolment. Throws `bad-key-file`.
 */
export function openKey(folder: string): { signer: Signer; created: boolean } {
  const file = join(folder, KEY_FILE);
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    const created = !existsSync(file) && createKey(file);
    const signer = readKey(file);
    const publicFile = join(folder, PUBLIC_KEY_FILE);
    if (created || !existsSync(publicFile)) writeDurably(publicFile, `${toHex(signer.publicKey)}\n`, 0o644);
    return { signer, created };
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('bad-key-file', `${file} cannot be used: ${reasonOf(error)}`, { cause: error });
  }
}

/** False when another process was faster: its key stands. */
function createKey(file: string): boolean {
  const fresh = `${file}.${process.pid}.new`;
  writeDurably(fresh, generateKeyPem(), KEY_MODE);
  try {
    // A link, unlike a rename, never takes the place of a key that is there.
    linkSync(fresh, file);
    syncFolder(dirname(file));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
}

function readKey(file: string): Signer {
  const key = parseKeyPem(readFileSync(file, 'utf8'));
  if (key === undefined) {
    throw new GatewayError('bad-key-file', `${file}: expected an Ed25519 private key in PEM, got something else`);
  }
  // Only where it must be: on a read-only disk the key is as good as ever.
  if ((statSync(file).mode & 0o777) !== KEY_MODE) chmodSync(file, KEY_MODE);
  return nodeSigner(key);
}

function writeDurably(file: string, text: string, mode: number): void {
  const descriptor = openSync(file, 'w', mode);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
