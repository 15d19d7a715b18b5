/** No number is signed over two contents, none is burned, and each frame names the bytes of the one before. */
import { createHash } from 'node:crypto';
import { externalData, fromHex, parseFramePayload, parseSealed, toHex } from '@commonwatt/firmware-protocol';
import { nodeVerifier } from '../../e2e/support/node-keys.js';
import { expectThat } from '../expect-that.js';
import type { World } from '../world.js';

/** A frame that a box of this street has really signed. */
export interface SignedFrame {
  readonly home: string;
  readonly message: Uint8Array;
  readonly hash: string;
  readonly number: number;
  readonly previous: string;
}

/** Every content that was ever signed, by home and number; what strangers bent is not among them. */
export function signedFrames(world: World): { readonly frames: readonly SignedFrame[]; readonly strange: number } {
  const keys = new Map(world.boxes.map(({ home, publicKey }) => [home, fromHex(publicKey)]));
  const frames = new Map<string, SignedFrame>();
  let strange = 0;
  for (const { topic, bytes } of world.recorder.frames.values()) {
    const home = topic.split('/')[3] ?? '';
    const frame = open(home, bytes, { publicKey: keys.get(home), origin: world.coOp.origin });
    if (frame === undefined) strange += 1;
    else frames.set(frame.hash, frame);
  }
  const sorted = [...frames.values()].sort((a, b) =>
    a.home < b.home ? -1 : a.home > b.home ? 1 : a.number - b.number,
  );
  return { frames: sorted, strange };
}

export function checkChains(world: World, frames: readonly SignedFrame[]): void {
  for (const { home, file } of world.boxes) {
    let previous = file.first_previous;
    let number = 0;
    for (const frame of frames.filter((one) => one.home === home)) {
      expectThat(frame.number !== number, `${home}: number ${number} was signed over two contents`);
      expectThat(frame.number === number + 1, `${home}: after number ${number} came ${frame.number}`);
      expectThat(
        frame.previous === previous,
        `${home}: number ${frame.number} does not name the bytes of the one before`,
      );
      previous = frame.hash;
      number = frame.number;
    }
    expectThat(number > 0, `${home}: not one frame was seen`);
  }
}

function open(
  home: string,
  message: Uint8Array,
  { publicKey, origin }: { publicKey: Uint8Array | undefined; origin: string },
): SignedFrame | undefined {
  if (publicKey === undefined) return undefined;
  try {
    const sealed = parseSealed(message);
    const signed = sealed.toBeSigned(externalData(origin, 'meter-frame/v1'));
    if (!nodeVerifier.verify(publicKey, signed, sealed.signature)) return undefined;
    const { epoch, number, previous } = parseFramePayload(sealed.payload);
    expectThat(epoch === 1, `${home}: a frame of epoch ${epoch}, where every box should be in its first`);
    const hash = createHash('sha256').update(message).digest('hex');
    return { home, message, hash, number, previous: toHex(previous) };
  } catch (error) {
    if (error instanceof Error && error.name === 'SoakFailure') throw error;
    return undefined;
  }
}
