/** Long reads over a store that answers at once would keep everything else waiting. */
import { setImmediate } from 'node:timers/promises';

/** Lets other work of the process run: frames and receipts come before anyone's history. */
export async function breathe(): Promise<void> {
  await setImmediate();
}
