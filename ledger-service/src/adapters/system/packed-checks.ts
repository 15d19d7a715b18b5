/** Signature checks as one run of bytes, so that a thread is handed them without a copy. */
import type { SignatureCheck } from '../../usecases/ports.js';

const LENGTHS_BYTES = 12;

/** Each check: three lengths of 32 bits, then key, message and signature. Lengths are kept: a wrong one has to stay wrong. */
export function packChecks(checks: readonly SignatureCheck[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const { publicKey, message, signature } of checks) {
    size += LENGTHS_BYTES + publicKey.length + message.length + signature.length;
  }
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { publicKey, message, signature } of checks) {
    const parts = [publicKey, message, signature];
    parts.forEach((part, i) => {
      view.setUint32(at + 4 * i, part.length);
    });
    at += LENGTHS_BYTES;
    for (const part of parts) {
      packed.set(part, at);
      at += part.length;
    }
  }
  return packed;
}

/** The checks again, as windows on the bytes. */
export function unpackChecks(packed: Uint8Array): SignatureCheck[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const checks: SignatureCheck[] = [];
  let at = 0;
  while (at < packed.length) {
    const lengths = [0, 4, 8].map((offset) => view.getUint32(at + offset));
    at += LENGTHS_BYTES;
    const [publicKey, message, signature] = lengths.map((length) => {
      at += length;
      return packed.subarray(at - length, at);
    });
    checks.push({ publicKey: publicKey!, message: message!, signature: signature! });
  }
  return checks;
}
