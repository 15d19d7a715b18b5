import { describe, expect, it } from 'vitest';
import { ProtocolError, VERDICT, verdictName } from '../src/errors.js';

describe('the answer codes', () => {
  it('are 0 to 9 in the order of the checks', () => {
    expect(Object.entries(VERDICT)).toEqual([
      ['accepted', 0],
      ['malformed', 1],
      ['unknown-key', 2],
      ['inactive-key', 3],
      ['bad-signature', 4],
      ['bad-payload', 5],
      ['wrong-epoch', 6],
      ['fork', 7],
      ['replay', 8],
      ['gap', 9],
    ]);
  });

  it('have one word each', () => {
    for (const [word, code] of Object.entries(VERDICT)) expect(verdictName(code)).toBe(word);
    for (const code of [-1, 10, 0.5, Number.NaN]) expect(verdictName(code)).toBeUndefined();
  });
});

describe('an error', () => {
  it('has a code to branch on and keeps its cause', () => {
    const cause = new Error('below');
    const error = new ProtocolError('bad-answer', 'answer: expected a map, got nothing', { cause });
    expect(error).toMatchObject({ name: 'ProtocolError', code: 'bad-answer', cause });
    expect(error).toBeInstanceOf(Error);
  });
});
