/** How much memory is still held once everything that can go has gone. */
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Bytes of the heap after a few collections. */
export async function settledHeapBytes(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  for (let round = 0; round < 3; round++) {
    collect();
    // Sockets that are closing let go of their buffers in a turn of their own.
    await setTimeout(20);
  }
  collect();
  return process.memoryUsage().heapUsed;
}
