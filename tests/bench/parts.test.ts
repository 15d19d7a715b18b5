import { describe, expect, it } from 'vitest';
import { partOfStack } from './support/cpu-profile.js';

describe('a sample of the CPU profile', () => {
  const handler = 'processTicksAndRejections node:internal/process/task_queues';
  const decide = 'decideFrame ledger-service/dist/core/ingest/frames.js';

  it.each([
    ['verify', ['verifyOneShot node:internal/crypto/sig', 'verify firmware-protocol/dist/crypto.js', decide]],
    ['parse and encode', ['bytes firmware-protocol/dist/cbor-reader.js', decide]],
    [
      'hashes and tree',
      ['hash node:internal/crypto/hash', 'sha256 ledger-service/dist/adapters/system/node-crypto.js', decide],
    ],
    ['hashes and tree', ['appendLeaf firmware-protocol/dist/log/compact-range.js', decide]],
    ['readings and intervals', ['toSpliced ', 'insert ledger-service/dist/core/intervals/samples.js', decide]],
    ['store', ['run ', '#write ledger-service/dist/adapters/store/sqlite-store.js', handler]],
    ['MQTT and sockets', ['writev ', '_writev node:net', 'write node_modules/aedes/lib/client.js']],
    ['decide and commit', [decide, handler]],
    ['garbage collection', ['(garbage collector) ', decide]],
    ['idle', ['(idle) ', '(root) ']],
    ['rest', ['(program) ', '(root) ']],
  ])('counts to %s by the innermost function that tells', (part, stack) => {
    expect(partOfStack(stack)).toBe(part);
  });

  it('counts to settle, whatever is done there, when it happens while settling', () => {
    const settling = 'settleDue ledger-service/dist/core/settle.js';
    expect(partOfStack(['run ', '#write ledger-service/dist/adapters/store/sqlite-store.js', settling])).toBe('settle');
  });
});
