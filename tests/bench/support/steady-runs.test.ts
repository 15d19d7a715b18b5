import { describe, expect, it } from 'vitest';
import { heldOrAll, refusals, steadyRuns } from './steady-runs.js';

/** Runs whose limits move by the given parts, one after the other. */
function machine(differences: readonly number[]) {
  let at = 0;
  return { attempt: async () => differences[at++] ?? 0, difference: (run: number) => run };
}

async function judge(wanted: number, differences: readonly number[]) {
  const { attempt, difference } = machine(differences);
  return steadyRuns(wanted, attempt, difference, () => undefined);
}

describe('runs on a machine with neighbours', () => {
  it('are refused when the limit moved by more than 15 percent, and repeated', async () => {
    const judged = await judge(2, [0.1, 0.16, 0.15]);
    expect(judged.map(({ refused }) => refused)).toEqual([false, true, false]);
    expect(heldOrAll(judged)).toEqual({ runs: [0.1, 0.15], steady: true });
    expect(refusals('x', judged)).toEqual(['x: 1 of 3 runs refused: the limit moved by more than 15 %']);
  });

  it('end after three more than are wanted, and say that no figure counts', async () => {
    const judged = await judge(1, [0.2, 0.3, 0.4, 0.5, 0]);
    expect(judged).toHaveLength(4);
    expect(heldOrAll(judged).steady).toBe(false);
    expect(refusals('x', judged)[0]).toContain('UNSTEADY');
  });

  it('say nothing where none was refused', async () => {
    expect(refusals('x', await judge(2, [0, 0]))).toEqual([]);
  });
});
