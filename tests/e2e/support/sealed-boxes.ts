/** Boxes whose keys the test holds: they seal frames by themselves, without meters. */
import {
  encodeFramePayload,
  externalData,
  type FramePayload,
  fromHex,
  keyId,
  nobleSha256,
  type Signer,
  sealMessage,
  toHex,
  topics,
} from '@commonwatt/firmware-protocol';
import type { CoOp, GatewayFile } from './co-op.js';
import { signerOf } from './node-keys.js';
import { seededBytes } from './seed.js';

/** A frame as it goes over the wire. */
export interface SealedFrame {
  readonly topic: string;
  readonly message: Uint8Array;
  readonly hash: string;
}

/** What is in a frame; where it stands in the chain is the box's business. */
export type FrameContent = Pick<FramePayload, 'startS' | 'step' | 'channels'> & Partial<FramePayload>;

/** One gateway: its key, and its place in the chain. */
export class SealedBox {
  readonly home: string;
  readonly signer: Signer;
  readonly kid: Uint8Array;
  #file: GatewayFile | undefined;
  #number = 0;
  #previous: Uint8Array = new Uint8Array(32);

  constructor(home: string, seed: Uint8Array) {
    this.home = home;
    this.signer = signerOf(seed);
    this.kid = keyId(nobleSha256, this.signer.publicKey);
  }

  static async enrol(coOp: CoOp, home: string, random: () => number): Promise<SealedBox> {
    const box = new SealedBox(home, seededBytes(32, random));
    box.#file = await coOp.enrol(home, toHex(box.signer.publicKey));
    box.#previous = fromHex(box.#file.first_previous);
    return box;
  }

  get topic(): string {
    const { community, gateway } = this.#enrolled;
    return topics(community, gateway).frame;
  }

  get #enrolled(): GatewayFile {
    if (this.#file === undefined) throw new Error(`box ${this.home} is not enrolled`);
    return this.#file;
  }

  /** Seals the next frame of the chain. */
  next(content: FrameContent): SealedFrame {
    this.#number += 1;
    const frame = this.seal({ number: this.#number, previous: this.#previous, ...content });
    this.#previous = fromHex(frame.hash);
    return frame;
  }

  /** A frame with one reading, as it could come next; the chain does not move. */
  draft(startS: number): SealedFrame {
    const channels = [{ meterIndex: 0, quantity: 1, status: 0, first: 0n, deltas: [] }] as const;
    return this.seal({ number: this.#number + 1, previous: this.#previous, startS, step: [], channels });
  }

  /** Seals a frame at a place of its own; the chain does not move. */
  seal(content: FrameContent & Pick<FramePayload, 'number' | 'previous'>): SealedFrame {
    const payload = encodeFramePayload({
      epoch: 1,
      clock: { source: 2, errorMs: 20, ageS: 30 },
      mono: { boot: 1, uptimeMs: content.number * 1_000 },
      ...content,
    });
    return this.sealBytes(payload);
  }

  /** Seals any bytes at all as a frame. */
  sealBytes(payload: Uint8Array, origin = this.#enrolled.origin): SealedFrame {
    const { kid, signer } = this;
    const message = sealMessage({ payload, externalData: externalData(origin, 'meter-frame/v1'), kid, signer });
    return { topic: this.topic, message, hash: toHex(nobleSha256.sha256(message)) };
  }
}
