import type { IntervalSeconds, MissingPolicy, NettingName } from '../option-values.js';

export interface ReplayOptions {
  readonly file: string;
  readonly interval: IntervalSeconds;
  readonly netting: NettingName;
  readonly missing: MissingPolicy;
  /** Whole watts; absent: no limit. */
  readonly maxKw?: number;
  /** Millionths of a credit per kWh. */
  readonly price: number;
  /** Hundredths of a percent. */
  readonly levy: number;
  readonly intervals?: string;
  readonly mqtt?: string;
  readonly data?: string;
}
