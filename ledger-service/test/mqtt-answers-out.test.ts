import { describe, expect, it } from 'vitest';
import { AnswersOut } from '../src/adapters/mqtt/answers-out.js';

/** An answer on its way, and the word that it is out. */
function answer() {
  let out = () => {};
  const sent = new Promise<void>((resolve) => {
    out = resolve;
  });
  return { sent, out };
}

describe('answers on their way out', () => {
  it('hold nobody up below the bound', async () => {
    const answers = new AnswersOut();
    for (let n = 0; n < 10; n += 1) answers.add(answer().sent);
    await answers.downTo(10);
    expect(answers.count).toBe(10);
  });

  it('hold up whoever wants to send more until enough are out', async () => {
    const answers = new AnswersOut();
    const all = Array.from({ length: 5 }, answer);
    for (const { sent } of all) answers.add(sent);
    let isFree = false;
    const free = answers.downTo(3).then(() => {
      isFree = true;
    });
    all[4]?.out();
    await all[4]?.sent;
    await Promise.resolve();
    expect(isFree).toBe(false);
    all[0]?.out();
    await free;
    expect(answers.count).toBe(3);
    const empty = answers.downTo(0);
    for (const { out } of all) out();
    await empty;
    expect(answers.count).toBe(0);
  });
});
