import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onInterrupt } from './clean-up.js';

/** Runs `work` with a folder of its own under the system's temporary one, and leaves nothing of it behind. */
export async function withFolder<T>(name: string, work: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), `commonwatt-bench-${name}-`));
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  const isUndone = onInterrupt(remove);
  try {
    return await work(path);
  } finally {
    remove();
    isUndone();
  }
}
