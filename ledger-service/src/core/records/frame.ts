/** Kind 6 (LOG 5.6): an accepted frame. Private; its content is when the bytes came, and the bytes. */
import { MAX_MESSAGE_BYTES } from '@commonwatt/firmware-protocol';
import { asArray, asBytes, asUint, badEntry, decode } from './fields.js';

export { frameContent as encodeFrameContent } from '@commonwatt/firmware-protocol/log';

export interface FrameContent {
  /** UTC second in which the bytes first came: every time rule uses this one. */
  readonly receivedS: number;
  readonly message: Uint8Array;
}

const OVERHEAD_BYTES = 16;

/** Untrusted: an opened frame entry. The message is not looked into. */
export function parseFrameContent(content: Uint8Array): FrameContent {
  const what = 'frame';
  const [receivedS, bytes] = asArray(decode(content, what, MAX_MESSAGE_BYTES + OVERHEAD_BYTES), what, 2);
  const message = asBytes(bytes, `${what}: message`);
  if (message.length > MAX_MESSAGE_BYTES) throw badEntry(`${what}: message`, `${MAX_MESSAGE_BYTES} bytes`, message);
  return { receivedS: asUint(receivedS, `${what}: received`), message };
}
