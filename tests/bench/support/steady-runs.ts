/** Runs that the machine disturbed are refused and repeated; all are reported. */

export interface Judged<Run> {
  readonly run: Run;
  /** How far the limit measured before and the one measured after are apart. */
  readonly limitDifference: number;
  readonly refused: boolean;
}

/** The limits may be this far apart. */
export const MAX_LIMIT_DIFFERENCE = 0.15;
/** Beyond the wanted ones. */
const SPARE_RUNS = 3;

/** Runs until `wanted` have held, or a few more than that have been tried. */
export async function steadyRuns<Run>(
  wanted: number,
  attempt: () => Promise<Run>,
  limitDifference: (run: Run) => number,
  say: (line: string) => void,
): Promise<readonly Judged<Run>[]> {
  const judged: Judged<Run>[] = [];
  let held = 0;
  while (held < wanted && judged.length < wanted + SPARE_RUNS) {
    const run = await attempt();
    const difference = limitDifference(run);
    const refused = difference > MAX_LIMIT_DIFFERENCE;
    judged.push({ run, limitDifference: difference, refused });
    if (refused) say(`refused: the limit moved by ${(100 * difference).toFixed(0)} % from before to after`);
    else held += 1;
  }
  return judged;
}

/** The steady ones; where none held, all of them, which has to be said beside every figure. */
export function heldOrAll<Run>(judged: readonly Judged<Run>[]): {
  readonly runs: readonly Run[];
  readonly steady: boolean;
} {
  const held = judged.filter(({ refused }) => !refused);
  return { runs: (held.length > 0 ? held : judged).map(({ run }) => run), steady: held.length > 0 };
}

/** What has to be said about refused runs. */
export function refusals(what: string, judged: readonly Judged<unknown>[]): readonly string[] {
  const refused = judged.filter((one) => one.refused).length;
  if (refused === 0) return [];
  const limit = `${100 * MAX_LIMIT_DIFFERENCE} %`;
  if (refused === judged.length)
    return [
      `${what}: UNSTEADY: in every one of ${refused} runs the limit moved by more than ${limit}; no figure of it counts`,
    ];
  return [`${what}: ${refused} of ${judged.length} runs refused: the limit moved by more than ${limit}`];
}
