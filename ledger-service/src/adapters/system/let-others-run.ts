import { setImmediate } from 'node:timers/promises';

/** One turn of the event loop: what has come from sockets and threads meanwhile is handled. */
export async function letOthersRun(): Promise<void> {
  await setImmediate();
}
