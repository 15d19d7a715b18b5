import type { BenchOptions } from '../options.js';

export interface BenchContext {
  readonly options: BenchOptions;
  /** Progress, for whoever waits. */
  readonly say: (line: string) => void;
}
