/** Frames of one home, sealed by the test: its counter rises by the same each interval, so every sum is known. */
import type { CoOp } from '../../e2e/support/co-op.js';
import { SealedBox, type SealedFrame } from '../../e2e/support/sealed-boxes.js';

export const INTERVAL_S = 900;
/** Long past by the ledger's clock: each interval is settled as soon as its edges are there. */
export const START_S = Date.UTC(2024, 5, 21) / 1_000;
const STEP_MWH = 250_000;

export class SteadyFlow {
  readonly #box: SealedBox;
  /** All frames that were sealed, in order. */
  readonly frames: SealedFrame[] = [];

  private constructor(box: SealedBox) {
    this.#box = box;
  }

  static async enrol(coOp: CoOp, home: string, random: () => number): Promise<SteadyFlow> {
    return new SteadyFlow(await SealedBox.enrol(coOp, home, random));
  }

  /** The next frames, one reading at an edge each. */
  next(count: number): readonly SealedFrame[] {
    const fresh = Array.from({ length: count }, (_, at) => {
      const edge = this.frames.length + at;
      const channels = [
        { meterIndex: 0, quantity: 1, status: 0, first: BigInt(edge * STEP_MWH), deltas: [] },
        { meterIndex: 0, quantity: 2, status: 0, first: 0n, deltas: [] },
      ] as const;
      return this.#box.next({ startS: START_S + edge * INTERVAL_S, step: [], channels });
    });
    this.frames.push(...fresh);
    return fresh;
  }
}
