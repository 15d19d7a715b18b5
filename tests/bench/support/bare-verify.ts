/** What one core can verify at most: `node:crypto` alone, on real frames, in a loop in the open. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { externalData, parseSealed } from '@commonwatt/firmware-protocol';
import { ORIGIN } from './bench-community.js';
import type { SealingBox } from './sealing-box.js';
import { median } from './statistics.js';
import { StreetMeter } from './street-meters.js';

const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const SLICES = 7;
const SLICE_MS = 200;

interface SignedFrame {
  readonly key: KeyObject;
  readonly toBeSigned: Uint8Array;
  readonly signature: Uint8Array;
}

/** One frame of each box: as many keys as there are boxes, in turn, so that no key stays in the nearest cache. */
export class BareVerify {
  readonly #frames: readonly SignedFrame[];

  constructor(boxes: readonly SealingBox[], content: { instants: number; stepS: number; startS: number }) {
    const external = externalData(ORIGIN, 'meter-frame/v1');
    this.#frames = boxes.map((box, home) => {
      const message = box.next(new StreetMeter(home).frame({ ...content, quantities: [1, 2, 3] }));
      const sealed = parseSealed(message);
      const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, box.publicKey]), format: 'der', type: 'spki' });
      return { key, toBeSigned: sealed.toBeSigned(external), signature: sealed.signature };
    });
  }

  /** Verdicts a second on one core: the middle one of several slices, so that a neighbour's burst does not count. */
  measure(): number {
    return median(Array.from({ length: SLICES }, () => this.#slice()));
  }

  #slice(): number {
    const startMs = performance.now();
    let verified = 0;
    for (;;) {
      for (const { key, toBeSigned, signature } of this.#frames) {
        if (!verify(null, toBeSigned, key, signature)) throw new Error('a frame of the bench does not verify');
        verified += 1;
      }
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= SLICE_MS) return (verified * 1_000) / elapsedMs;
    }
  }
}
