/** A thread that does nothing but verify: packed checks in, a byte 0 or 1 for each out. */
import { parentPort } from 'node:worker_threads';
import { nodeVerifier } from './node-crypto.js';
import { unpackChecks } from './packed-checks.js';

const verifier = nodeVerifier();

parentPort?.on('message', ({ id, packed }: { id: number; packed: Uint8Array }) => {
  const checks = unpackChecks(packed);
  const verdicts = Uint8Array.from(checks, ({ publicKey, message, signature }) =>
    verifier.verify(publicKey, message, signature) ? 1 : 0,
  );
  parentPort?.postMessage({ id, verdicts }, [verdicts.buffer]);
});
