/** What the bench says: each figure beside the limit of the same run and the aim. */

export const MEASURES = ['endToEnd', 'settlement', 'append', 'rebuild', 'gateway', 'start'] as const;
export type MeasureName = (typeof MEASURES)[number];

export interface Aim {
  readonly kind: 'at least' | 'at most';
  readonly value: number;
}

export interface Figure {
  readonly measure: MeasureName;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the value is held against, measured in the same run. */
  readonly limit?: { readonly name: string; readonly value: number; readonly unit: string };
  /** Value against limit. */
  readonly ratio?: number;
  /** For the ratio where there is one, else for the value. */
  readonly aim?: Aim;
  readonly note?: string;
  /** True: the machine was never steady enough, so the figure neither meets nor misses its aim. */
  readonly unsteady?: boolean;
}

export interface MeasureResult {
  readonly measure: MeasureName;
  /** What was measured, in one line. */
  readonly about: string;
  readonly figures: readonly Figure[];
  /** Why a figure is not there, or what has to be known with it. */
  readonly remarks: readonly string[];
  /** Counts, rows, bytes and seconds of every run, those that were refused included. */
  readonly raw: unknown;
}

/** Undefined where there is no aim, or no figure that counts. */
export function isMet({ aim, ratio, value, unsteady }: Figure): boolean | undefined {
  if (aim === undefined || unsteady === true) return undefined;
  const held = ratio ?? value;
  return aim.kind === 'at least' ? held >= aim.value : held <= aim.value;
}

/** With four digits where they say something: 12,345 and 0.4567. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US');
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}
