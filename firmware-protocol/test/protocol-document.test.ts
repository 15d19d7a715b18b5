import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VERDICT } from '../src/errors.js';
import example from '../vectors/worked-example.json' with { type: 'json' };

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const list = (path: string) => readdirSync(new URL(path, import.meta.url));
const protocol = read('../PROTOCOL.md');
const headings = new Set([...protocol.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? /gm)].map(([, number]) => number));

/** The part of PROTOCOL under a heading. */
function section(number: string): string {
  const from = protocol.indexOf(`\n### ${number} `);
  const to = protocol.indexOf('\n## ', from);
  const next = protocol.indexOf('\n### ', from + 1);
  return protocol.slice(from, Math.min(...[to, next].filter((at) => at > 0)));
}

describe('PROTOCOL.md', () => {
  it('prints the worked example byte for byte', () => {
    const block = /```\n(d2 84[^`]*)```/.exec(section('2.9'))![1]!;
    const hex = block
      .split('\n')
      .map((line) => /^((?:\s*[0-9a-f]{2,}(?= |$))+)/.exec(line)?.[1] ?? '')
      .join('')
      .replaceAll(/\s/g, '');
    expect(hex).toBe(example.message);
  });

  it('has every section that the code cites', () => {
    const files = list('../src/').filter((name) => name.endsWith('.ts'));
    const cited = files.flatMap((name) =>
      [...read(`../src/${name}`).matchAll(/PROTOCOL (\d+(?:\.\d+)?)/g)].map(([, number]) => `${number} in ${name}`),
    );
    expect(cited.length).toBeGreaterThan(30);
    expect(cited.filter((place) => !headings.has(place.split(' ')[0]!))).toEqual([]);
  });

  it('names every vector file, and no other', () => {
    const named = [...protocol.matchAll(/^\| `vectors\/([a-z0-9*-]+\.json)`/gm)].map(([, name]) => name!);
    const covers = (name: string) =>
      named.some((pattern) => new RegExp(`^${pattern.replace('.', '\\.').replace('*', '.*')}$`).test(name));
    const files = list('../vectors/');
    expect(files.filter((name) => !covers(name))).toEqual([]);
    expect(named.filter((pattern) => !pattern.includes('*') && !files.includes(pattern))).toEqual([]);
  });

  it('lists the checks with the codes of the program, in their order', () => {
    const rows = [...section('5.1').matchAll(/^\| (\d) \| (\d) \| .* \| (?:refused )?`([a-z-]+)`/gm)].map(
      ([, row, code, word]) => [Number(row), Number(code), word],
    );
    const expected = Object.entries(VERDICT)
      .filter(([, code]) => code > 0)
      .map(([word, code]) => [code, code, word]);
    expect(rows).toEqual(expected);
  });
});
