/** Every failure is listed, has its paragraph, and is produced through the outer door by a test: one set, three places. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERDICT } from '../../firmware-protocol/src/errors.js';
import { producesAnswer, producesCode } from '../errors/support/produces.js';
import { answersOf, type CodeSets, differencesOf, documentedIn, listedIn, producedIn } from './error-codes.js';
import { ROOT, readFiles } from './imports.js';

const ERRORS = {
  'firmware-protocol': 'firmware-protocol/src/errors.ts',
  gateway: 'gateway/src/errors.ts',
  'ledger-service': 'ledger-service/src/core/errors.ts',
  'device-sim': 'device-sim/src/errors.ts',
} as const;

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function codeSets(): CodeSets {
  const lists = Object.entries(ERRORS).flatMap(([owner, file]) => listedIn(owner, read(file)));
  const tests = [...readFiles('tests/errors', ['.test.ts']).values()];
  return {
    listed: [...lists, ...answersOf(VERDICT)],
    documented: documentedIn(read('docs/ERRORS.md')),
    produced: tests.flatMap(producedIn),
  };
}

describe('the failures of the house', () => {
  it('are listed, documented and produced: the same ones', () => {
    expect(differencesOf(codeSets())).toEqual([]);
  });

  it.each(Object.entries(ERRORS))('has a list for %s', (owner, file) => {
    expect(listedIn(owner, read(file)).length).toBeGreaterThan(5);
  });
});

describe('a seeded difference is found', () => {
  const same = { listed: ['a: x', 'a: y'], documented: ['a: y', 'a: x'], produced: ['a: x', 'a: y'] };

  it('nothing where there is none', () => {
    expect(differencesOf(same)).toEqual([]);
  });

  it.each(['listed', 'documented', 'produced'] as const)('a code that is not %s', (set) => {
    expect(differencesOf({ ...same, [set]: ['a: x'] })).toEqual([`a: y is not ${set}`]);
  });

  it('a code that only one of them has', () => {
    expect(differencesOf({ ...same, listed: [...same.listed, 'a: z'] })).toEqual([
      'a: z is not documented',
      'a: z is not produced',
    ]);
  });

  it('a code that stands somewhere twice', () => {
    expect(differencesOf({ ...same, documented: ['a: x', 'a: y', 'a: x'] })).toEqual(['a: x is documented twice']);
  });

  it('in the real ones: each code that is taken away from a list, a page or a test', () => {
    const sets = codeSets();
    for (const set of ['listed', 'documented', 'produced'] as const) {
      for (const name of sets[set]) {
        const less = { ...sets, [set]: sets[set].filter((other) => other !== name) };
        expect(differencesOf(less)).toContain(`${name} is not ${set}`);
      }
    }
  });
});

describe('the readers', () => {
  it('take the members of a union or a list, and no comment', () => {
    const union =
      "export type E =\n  // 'no'\n  | 'no';\nexport type XErrorCode =\n  /** 'no' */\n  | 'a-b'\n  | 'c'; // 'no'";
    expect(listedIn('p', union)).toEqual(['p: a-b', 'p: c']);
    const list =
      "export const X_ERROR_CODES = [\n  'a', // not 'b'\n  'c',\n] as const;\nexport type XErrorCode = 'd';";
    expect(listedIn('p', list)).toEqual(['p: a', 'p: c']);
  });

  it('take headings that have a sentence', () => {
    expect(documentedIn('## p\n\n### p: a\n\nIt is so.\n\n### p: b\n\n## q\n\nNo heading of a code.\n')).toEqual([
      'p: a',
    ]);
  });

  it('take what is handed to the helpers, not what is commented out', () => {
    const source = "producesCode('p', 'a', f);\nproducesAnswer(\n  4,\n  'b', f);\n// producesCode('p', 'c', f);";
    expect(producedIn(source)).toEqual(['p: a', 'frame answer 4: b']);
  });
});

describe('the helpers', () => {
  it('fail where another code came, or none', async () => {
    const bodies: (() => Promise<void>)[] = [];
    const keep = (_name: string, body: () => Promise<void>) => bodies.push(body);
    producesCode('gateway', 'right', () => 'wrong', keep);
    producesCode('gateway', 'right', async () => undefined, keep);
    producesAnswer(4, 'bad-signature', () => 5, keep);
    expect(bodies).toHaveLength(3);
    for (const body of bodies) await expect(body()).rejects.toThrow();
  });

  it('pass where it came', async () => {
    const bodies: (() => Promise<void>)[] = [];
    producesCode(
      'gateway',
      'right',
      async () => 'right',
      (_name, body) => bodies.push(body),
    );
    await bodies[0]?.();
  });
});
