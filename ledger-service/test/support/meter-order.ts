/** Meters one by one, as their readings give them, into the columns that a settlement computes with. */
import { LedgerError } from '../../src/core/errors.js';
import { compareUnits, type Quality, UnitNames } from '../../src/core/records/index.js';
import { type MeterColumns, MISSING } from '../../src/core/sharing/units.js';

/** One active meter in one interval. */
export interface MeterEnergy {
  readonly member: string;
  readonly meter: string;
  /** mWh >= 0; undefined where the counter is not enrolled or lacks an edge: it counts as 0. */
  readonly importMwh?: number | undefined;
  readonly exportMwh?: number | undefined;
  /** Both edges of the primary counter are known, and the power between them is within the limit. */
  readonly complete: boolean;
  /** The worst of the edges; 4 without an edge, 5 over the power limit. A complete meter has 0 to 3. */
  readonly quality: Quality;
}

/** One list of meters after the other, mostly of the same ones: they are put in order once. */
export class MeterOrder {
  #given: readonly MeterEnergy[] = [];
  #order: readonly number[] = [];
  #names = new UnitNames([]);

  /** Throws LedgerError `invariant` for a meter named twice, or a complete one of a quality that says it is not. */
  columns(meters: readonly MeterEnergy[]): MeterColumns {
    if (!this.#isSame(meters)) this.#sort(meters);
    const { length } = meters;
    const importMwh = new Float64Array(length);
    const exportMwh = new Float64Array(length);
    const quality = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const meter = meters[this.#order[i]!]!;
      importMwh[i] = meter.importMwh ?? 0;
      exportMwh[i] = meter.exportMwh ?? 0;
      quality[i] = qualityOf(meter);
    }
    return { meters: this.#names, importMwh, exportMwh, quality };
  }

  #isSame(meters: readonly MeterEnergy[]): boolean {
    const given = this.#given;
    if (meters.length !== given.length) return false;
    return meters.every(({ meter, member }, i) => meter === given[i]!.meter && member === given[i]!.member);
  }

  #sort(meters: readonly MeterEnergy[]): void {
    const order = meters.map((_, i) => i).sort((a, b) => compareUnits(meters[a]!, meters[b]!));
    const sorted = order.map((i) => meters[i]!);
    const twice = sorted.find((meter, i) => i > 0 && compareUnits(sorted[i - 1]!, meter) === 0);
    if (twice !== undefined) {
      throw new LedgerError('invariant', `meter ${twice.meter} of ${twice.member}: expected once, got twice`);
    }
    this.#given = meters;
    this.#order = order;
    this.#names = new UnitNames(sorted);
  }
}

function qualityOf({ meter, complete, quality }: MeterEnergy): Quality {
  if (!complete) return quality > MISSING ? quality : MISSING;
  if (quality >= MISSING) throw new LedgerError('invariant', `meter ${meter}: complete, but of quality ${quality}`);
  return quality;
}
