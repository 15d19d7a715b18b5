import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANSWERS_A_SECOND, AnswerBudget, MAX_SAVED_ANSWERS } from '../src/adapters/mqtt/answer-budget.js';

describe('answers to strangers', () => {
  it('never are more than were saved and earned since', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(5000), wanted: fc.nat(20_000) }), { maxLength: 50 });
    fc.assert(
      fc.property(steps, (list) => {
        let nowMs = 0;
        let given = 0;
        const budget = new AnswerBudget(() => nowMs);
        for (const { waitMs, wanted } of list) {
          nowMs += waitMs;
          const answers = Math.min(wanted, budget.available());
          budget.spend(answers);
          given += answers;
          expect(given).toBeLessThanOrEqual(MAX_SAVED_ANSWERS + (nowMs * ANSWERS_A_SECOND) / 1000);
        }
      }),
    );
  });

  it('come back after a while', () => {
    let nowMs = 0;
    const budget = new AnswerBudget(() => nowMs);
    budget.spend(budget.available());
    expect(budget.available()).toBe(0);
    nowMs += 1000;
    expect(budget.available()).toBe(ANSWERS_A_SECOND);
  });
});
