/** A gateway's key and its place in the chain: seals frames as a box does, ahead of time. */
import { createHash } from 'node:crypto';
import {
  encodeFramePayload,
  externalData,
  type FramePayload,
  type Hasher,
  keyId,
  type Signer,
  sealMessage,
} from '@commonwatt/firmware-protocol';
import { seedSigner } from '@commonwatt/ledger-service/dist/adapters/system/node-signer.js';

export type FrameContent = Pick<FramePayload, 'startS' | 'step' | 'channels'>;

export class SealingBox {
  readonly home: string;
  readonly seed: Uint8Array;
  readonly kid: Uint8Array;
  readonly #signer: Signer;
  readonly #hasher: Hasher;
  readonly #external: Uint8Array;
  #number = 0;
  #previous: Uint8Array = new Uint8Array(32);

  constructor(input: { origin: string; home: string; seed: Uint8Array; hasher: Hasher }) {
    this.home = input.home;
    this.seed = input.seed;
    this.#hasher = input.hasher;
    this.#signer = seedSigner(input.seed);
    this.#external = externalData(input.origin, 'meter-frame/v1');
    this.kid = keyId(input.hasher, this.#signer.publicKey);
  }

  get publicKey(): Uint8Array {
    return this.#signer.publicKey;
  }

  /** What frame 1 names as previous. */
  get previous(): Uint8Array {
    return this.#previous;
  }

  /** The hash that frame 1 names: that of the entry that enrolled the box. */
  begin(firstPrevious: Uint8Array): void {
    this.#previous = firstPrevious;
    this.#number = 0;
  }

  /** Seals the next frame of the chain. */
  next(content: FrameContent): Uint8Array {
    this.#number += 1;
    const payload = encodeFramePayload({
      epoch: 1,
      number: this.#number,
      previous: this.#previous,
      ...content,
      clock: { source: 2, errorMs: 20, ageS: 30 },
      mono: { boot: 1, uptimeMs: this.#number * 1_000 },
    });
    const message = sealMessage({ payload, externalData: this.#external, kid: this.kid, signer: this.#signer });
    this.#previous = this.#hasher.sha256(message);
    return message;
  }
}

/** The same key for the same home in every run. */
export function boxSeed(home: number): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`bench home ${home}`).digest());
}
