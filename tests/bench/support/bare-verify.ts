/** What one core can verify at most: `node:crypto` alone, on real frames, in a loop in the open. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { externalData, parseSealed } from '@commonwatt/firmware-protocol';
import { ORIGIN } from './bench-community.js';
import type { SealingBox } from './sealing-box.js';
import { difference, median } from './statistics.js';
import { cpuSeconds } from './stop-watch.js';
import { StreetMeter } from './street-meters.js';

const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const SLICES = 7;
const SLICE_MS = 200;

export interface BareRate {
  /** Verdicts a second of one core's time by the clock on the wall. */
  readonly perS: number;
  /** Verdicts a second of CPU: what neighbours on the machine do not take part in. */
  readonly perCpuS: number;
}

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

  /** The middle one of several slices, so that a neighbour's burst does not count. */
  measure(): BareRate {
    const slices = Array.from({ length: SLICES }, () => this.#slice());
    return { perS: median(slices.map(({ perS }) => perS)), perCpuS: median(slices.map(({ perCpuS }) => perCpuS)) };
  }

  #slice(): BareRate {
    const startMs = performance.now();
    const startCpuS = cpuSeconds();
    let verified = 0;
    for (;;) {
      for (const { key, toBeSigned, signature } of this.#frames) {
        if (!verify(null, toBeSigned, key, signature)) throw new Error('a frame of the bench does not verify');
        verified += 1;
      }
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs < SLICE_MS) continue;
      return { perS: (verified * 1_000) / elapsedMs, perCpuS: verified / (cpuSeconds() - startCpuS) };
    }
  }
}

/** In the middle of two. */
export function between(a: BareRate, b: BareRate): BareRate {
  return { perS: (a.perS + b.perS) / 2, perCpuS: (a.perCpuS + b.perCpuS) / 2 };
}

/** How far two are apart, by the clock or by CPU, whichever is more. */
export function rateDifference(a: BareRate, b: BareRate): number {
  return Math.max(difference(a.perS, b.perS), difference(a.perCpuS, b.perCpuS));
}
