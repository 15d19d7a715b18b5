/** Messages on the frame and event topics that no honest box sends. */
import type { SealedBox, SealedFrame } from './sealed-boxes.js';
import { seededBytes } from './seed.js';

type Random = () => number;

export interface HostileMessage {
  readonly topic: string;
  readonly message: Uint8Array;
}

const HEADS = [
  '9f9f9f9f9f9f9f9f',
  'd2845bffffffffffffffff',
  'd2844da2012704484142434445464748a05b7fffffffffffffff',
  'bf',
];

/** So many, each of a kind that chance picks; `frames` are good ones of `box` to be bent. */
export function hostileMessages(
  count: number,
  random: Random,
  { community, box, frames }: { community: string; box: SealedBox; frames: readonly SealedFrame[] },
): HostileMessage[] {
  const below = (limit: number) => Math.floor(random() * limit);
  const topics = [
    box.topic,
    box.topic.replace(/frame$/, 'event'),
    `cw/1/${community}/nobody/frame`,
    `cw/1/${community}/x${below(1e9)}/frame`,
    `cw/1/nowhere/${box.home}/frame`,
  ];
  const makers: (() => Uint8Array)[] = [
    () => seededBytes(below(300), random),
    () => seededBytes(4_000 + below(200), random),
    () => Uint8Array.of(...Buffer.from(HEADS[below(HEADS.length)]!, 'hex'), ...seededBytes(below(60), random)),
    () => bend(frames[below(frames.length)]!.message, random),
    () => cutShort(frames[below(frames.length)]!.message, random),
    () => withKid(frames[below(frames.length)]!.message, seededBytes(8, random)),
    () => withSignature(frames[below(frames.length)]!.message, seededBytes(64, random)),
    () => new Uint8Array(10_000 + below(40_000)),
  ];
  // The large kinds are rare: their number is what counts, not their weight.
  return Array.from({ length: count }, (_, at) => ({
    topic: topics[below(topics.length)]!,
    message: makers[at % 200 === 0 ? makers.length - 1 : below(makers.length - 1)]!(),
  }));
}

function bend(message: Uint8Array, random: Random): Uint8Array {
  const copy = message.slice();
  // Another place each time, so that nothing becomes whole again.
  const from = Math.floor(random() * copy.length);
  for (let at = from; at < copy.length; at += 1 + Math.floor(random() * 50)) {
    copy[at] = copy[at]! ^ (1 + Math.floor(random() * 255));
  }
  return copy;
}

function cutShort(message: Uint8Array, random: Random): Uint8Array {
  return message.slice(0, Math.floor(random() * message.length));
}

function withKid(message: Uint8Array, kid: Uint8Array): Uint8Array {
  const copy = message.slice();
  copy.set(kid, 8);
  return copy;
}

function withSignature(message: Uint8Array, signature: Uint8Array): Uint8Array {
  const copy = message.slice();
  copy.set(signature, message.length - signature.length);
  return copy;
}
