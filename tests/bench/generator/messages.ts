/** What the bench and its generator process say to each other, over the channel of `fork`. */

export interface GeneratorPlan {
  readonly community: string;
  readonly origin: string;
  /** Hex. */
  readonly logKey: string;
  readonly homes: readonly { readonly home: string; readonly seed: string; readonly firstPrevious: string }[];
  readonly framesAHome: number;
  /** UTC seconds of the first reading. */
  readonly startS: number;
  readonly stepS: number;
  readonly instants: number;
  readonly quantities: readonly (1 | 2 | 3)[];
}

/** Processes whose CPU is read at the beginning and the end of what is counted. */
export interface WatchedProcess {
  readonly name: string;
  readonly pid: number;
}

export type GeneratorRequest =
  | { readonly do: 'seal'; readonly plan: GeneratorPlan }
  | { readonly do: 'connect'; readonly host: string; readonly port: number }
  | {
      readonly do: 'flow';
      /** All homes send up to this many frames, in order. */
      readonly framesAHome: number;
      /** Frames without an answer that a home has on the way at once; 'box': as many as a box would (PROTOCOL 7.4). */
      readonly window: number | 'box';
      /** Receipts at the beginning that are not counted. */
      readonly skip: number;
      readonly watched: readonly WatchedProcess[];
    }
  | { readonly do: 'steady'; readonly framesAHome: number; readonly framesPerS: number }
  | { readonly do: 'check' };

export interface SealDone {
  readonly frames: number;
  readonly bytes: number;
}

export interface FlowDone {
  readonly frames: number;
  readonly seconds: number;
  readonly framesPerS: number;
  /** CPU seconds by the name of the process; `generator` is this one. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  /** The counted time on the machine's monotonic clock, microseconds. */
  readonly fromUs: number;
  readonly untilUs: number;
}

export interface SteadyDone {
  readonly frames: number;
  readonly seconds: number;
  readonly offeredPerS: number;
  /** From the instant at which the frame was due to be sent to its receipt, milliseconds. */
  readonly latenciesMs: readonly number[];
  /** How late frames left, against the plan, at worst, milliseconds. */
  readonly worstLagMs: number;
}

export interface CheckDone {
  readonly receipts: number;
  readonly bytes: number;
  readonly checkpoints: number;
}

/** What each request is answered with. */
export interface GeneratorResults {
  readonly seal: SealDone;
  readonly connect: null;
  readonly flow: FlowDone;
  readonly steady: SteadyDone;
  readonly check: CheckDone;
}

export type GeneratorAnswer =
  | { readonly result: GeneratorResults[keyof GeneratorResults] }
  | { readonly failed: string };
