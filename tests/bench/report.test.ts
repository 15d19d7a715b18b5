import { describe, expect, it } from 'vitest';
import { type Figure, formatNumber, isMet } from './figures.js';
import { parseOptions } from './options.js';
import { formatReport } from './table.js';

const MACHINE = {
  ...{ cpu: 'some CPU', cores: 2, memoryGb: 8, platform: 'Linux', node: '20.19.0', openssl: '3' },
  ...{ loadBefore: 0.5, loadAfter: 1.5 },
};
const figure = (about: Partial<Figure>): Figure => ({
  measure: 'append',
  name: 'a leaf',
  value: 50,
  unit: 'us',
  ...about,
});
const report = (...figures: readonly Figure[]): string =>
  formatReport([{ measure: 'append', about: 'leaves', figures, remarks: ['a remark'], raw: {} }], MACHINE);

describe('a figure', () => {
  it('is held to its aim by the ratio where there is one, else by the value', () => {
    expect(isMet(figure({ ratio: 1.2, aim: { kind: 'at most', value: 1.2 } }))).toBe(true);
    expect(isMet(figure({ ratio: 1.3, aim: { kind: 'at most', value: 1.2 } }))).toBe(false);
    expect(isMet(figure({ value: 60, aim: { kind: 'at least', value: 50 } }))).toBe(true);
    expect(isMet(figure({}))).toBeUndefined();
  });

  it('of an unsteady machine neither meets nor misses', () => {
    expect(isMet(figure({ aim: { kind: 'at most', value: 1 }, unsteady: true }))).toBeUndefined();
  });

  it('is written with the digits that say something', () => {
    expect([12_345.6, 123.4, 12.34, 0.4567, Number.NaN].map(formatNumber)).toEqual([
      ...['12,346', '123', '12.3', '0.46', 'none'],
    ]);
  });
});

describe('the table', () => {
  it('says what is missed, where it is seen and again at the end', () => {
    const text = report(figure({ ratio: 1.31, aim: { kind: 'at most', value: 1.2 } }));
    expect(text).toMatch(/a leaf .*1\.31 .*at most 1\.2 .*MISSED/);
    expect(text).toContain('0 of 1 aims are met. Missed:\n  append, a leaf: 1.31, the aim is at most 1.2');
    expect(text).toContain('load average 0.5 before, 1.5 after');
    expect(text).toContain('- a remark');
  });

  it('does not call a figure of an unsteady machine met', () => {
    const text = report(figure({ ratio: 1, aim: { kind: 'at most', value: 1.2 }, unsteady: true }));
    expect(text).toContain('UNSTEADY');
    expect(text).toContain('0 of 1 aims are met, 1 could not be judged');
  });
});

describe('the options', () => {
  it('name measures, and the nearest one for a wrong name', () => {
    expect(parseOptions(['--only', 'append,start'])).toMatchObject({ options: { only: ['append', 'start'] } });
    expect(parseOptions(['--only', 'setlement'])).toEqual({
      wrong: '--only: there is no setlement, did you mean settlement?',
    });
  });

  it('have bounds', () => {
    expect(parseOptions(['--runs', '0'])).toEqual({ wrong: '--runs: expected 1 to 20, got 0' });
    expect(parseOptions(['--gateway-minutes', 'x'])).toHaveProperty('wrong');
    expect(parseOptions(['--gateway-minutes', '60'])).toMatchObject({ options: { gatewaySeconds: 3_600 } });
    expect(parseOptions(['--slow'])).toHaveProperty('wrong');
  });
});
