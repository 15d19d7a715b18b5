/** What the pages say must be there: links, headings, files, commands and options. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isBuilt, NOT_BUILT, type Program, run } from '../errors/support/processes.js';
import { ROOT, readFiles } from './imports.js';
import {
  anchorsOf,
  callsOf,
  codeOf,
  commandsOfHelp,
  linksOf,
  looseOptionsOf,
  optionsOfHelp,
  type Page,
  pathsOf,
  proseOf,
} from './pages.js';

/** The front page is for everybody, and sends each reader on; a changelog needs no introduction. */
const NO_READER_NAMED = ['README.md', 'CHANGELOG.md'];
const FIRST_LINES = 12;
const PROGRAMS: readonly Program[] = ['commonwatt', 'commonwatt-gateway', 'commonwatt-sim'];

function allPages(): Page[] {
  return [...readFiles('.', ['.md'])].map(([path, text]) => ({ path, text }));
}

const pages = allPages();
const pageAt = new Map(pages.map((page) => [page.path, page]));

/** What is wrong with the links of a page. */
function brokenLinks(page: Page): string[] {
  return linksOf(page).flatMap((link) => {
    const [target = '', anchor] = link.split('#', 2);
    const path = target === '' ? page.path : normalize(join(dirname(page.path), target)).replace(/\/$/, '');
    const isThere = path === page.path || (!path.startsWith('..') && existsSync(join(ROOT, path)));
    if (!isThere) return [`${page.path}: ${link} leads nowhere`];
    if (anchor === undefined) return [];
    const anchors = path === page.path ? anchorsOf(page) : anchorsOf(pageAt.get(path) ?? { path, text: '' });
    return anchors.includes(anchor) ? [] : [`${page.path}: ${link}: ${path} has no such heading`];
  });
}

/** Options by program and command; '' for the program itself. */
async function readHelp(): Promise<ReadonlyMap<string, readonly string[]>> {
  const helpOf = async (program: Program, ...args: string[]) => (await run(program, [...args, '--help'])).stdout;
  const options = new Map<string, readonly string[]>();
  for (const program of PROGRAMS) {
    const help = await helpOf(program);
    options.set(`${program} `, optionsOfHelp(help));
    for (const command of commandsOfHelp(help)) {
      options.set(`${program} ${command}`, optionsOfHelp(await helpOf(program, command)));
    }
  }
  return options;
}

/** Calls on a page that the commands would refuse. Every command takes the options of its program too. */
function wrongCalls(page: Page, help: ReadonlyMap<string, readonly string[]>): string[] {
  return callsOf(page).flatMap(({ program, command = '', options }) => {
    const known = help.get(`${program} ${command}`);
    if (known === undefined) return [`${page.path}: there is no ${program} ${command}`];
    const all = [...known, ...(help.get(`${program} `) ?? [])];
    return options
      .filter((option) => !all.includes(option))
      .map((option) => `${page.path}: ${program} ${command} has no ${option}`);
  });
}

describe('every page', () => {
  it('is found', () => {
    expect(pages.length).toBeGreaterThan(8);
  });

  it('has links that lead somewhere, also to headings', () => {
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(20);
    expect(pages.flatMap(brokenLinks)).toEqual([]);
  });

  it('says at its top for whom it is', () => {
    const silent = pages.filter(({ path, text }) => {
      const lines = text.split('\n', FIRST_LINES);
      return !NO_READER_NAMED.includes(path) && !lines.some((line) => /^For \S/.test(line));
    });
    expect(silent.map(({ path }) => path)).toEqual([]);
    expect(pageAt.get('README.md')?.text).toMatch(/^\|\s*you are\s*\|\s*read\s*\|/m);
  });

  it('begins with its one title', () => {
    const odd = pages.filter(
      ({ text }) => !/^# \S/.test(text) || proseOf({ path: '', text }).match(/^# /gm)?.length !== 1,
    );
    expect(odd.map(({ path }) => path)).toEqual([]);
  });

  it('names files that are there', () => {
    const missing = pages.flatMap((page) =>
      pathsOf(page)
        .filter((path) => !existsSync(join(ROOT, path)))
        .map((path) => `${page.path}: ${path}`),
    );
    expect(missing).toEqual([]);
  });
});

describe.skipIf(!isBuilt)(`commands and options on the pages${NOT_BUILT}`, () => {
  it('are those of --help', async () => {
    const help = await readHelp();
    expect(help.size).toBeGreaterThan(12);
    expect(pages.flatMap(callsOf).length).toBeGreaterThan(20);
    expect(pages.flatMap((page) => wrongCalls(page, help))).toEqual([]);
    const known = [...help.values()].flat();
    const loose = pages.flatMap((page) => looseOptionsOf(page).map((option) => ({ path: page.path, option })));
    expect(loose.filter(({ option }) => !known.includes(option))).toEqual([]);
    const page = {
      path: 'x.md',
      text: '\n    npx commonwatt serv\n\n`commonwatt serve --prot 1`, `commonwatt serve --port 1`',
    };
    expect(wrongCalls(page, help)).toEqual([
      'x.md: there is no commonwatt serv',
      'x.md: commonwatt serve has no --prot',
    ]);
  });
});

describe('decisions', () => {
  it('say what was chosen and why, not when', () => {
    const decisions = pages.filter(({ path }) => path.startsWith('docs/decisions/'));
    expect(decisions.length).toBeGreaterThan(0);
    const dated = decisions.filter(({ text }) =>
      /\b20\d\d-\d\d(-\d\d)?\b|\b(19|20)\d\d\b/.test(proseOf({ path: '', text })),
    );
    expect(dated.map(({ path }) => path)).toEqual([]);
  });
});

describe('nothing that is handed out', () => {
  const machine = /(?<![\w.])\/(?:root|work|workspace|Users)\/|[A-Z]:\\Users/;
  const registry = /registry\.(?:npmjs|yarnpkg|npmmirror)|(?:pypi|proxy\.golang)\.org/;

  it('names a path of some machine or the host of a package registry', () => {
    const files = readFiles('.', ['.md', '.ts', '.mjs', '.js', '.json', '.yml', '.yaml', 'Dockerfile']);
    expect(files.size).toBeGreaterThan(200);
    const guilty = [...files].filter(([, text]) => machine.test(text) || registry.test(text)).map(([path]) => path);
    expect(guilty).toEqual([]);
    const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
    expect(/"resolved": "https?:/.test(lock)).toBe(false);
  });

  it('a seeded one is found', () => {
    expect(machine.test(`see ${['', 'root', 'x'].join('/')}`)).toBe(true);
    expect(machine.test('var/root/x and ./works/x')).toBe(false);
    expect(registry.test(['registry', 'npmjs', 'org'].join('.'))).toBe(true);
  });
});

describe('the readers', () => {
  const page = {
    path: 'docs/X.md',
    text: [
      '# A `title`: it is',
      'See [one](ONE.md#a-b), [`two`](../two.ts) and [web](https://x.example). `[no](no.md)`',
      '',
      '    npx commonwatt init --data DIR \\',
      '      --host NAME   # [no](no.md)',
      '',
      '## Twice',
      '## Twice',
      '```sh',
      'npm start -- --homes 12 --fresh',
      '```',
      'Say `--limit KW`, or `commonwatt-gateway run`; see `docs/ONE.md`.',
    ].join('\n'),
  };

  it('find links in prose alone', () => {
    expect(linksOf(page)).toEqual(['ONE.md#a-b', '../two.ts']);
  });

  it('find a link that leads nowhere, and a heading that is not there', () => {
    const bad = { path: 'docs/X.md', text: '[a](NO.md) [b](ERRORS.md#no) [c](ERRORS.md#gateway) [d](#e)\n# E' };
    expect(brokenLinks(bad)).toEqual([
      'docs/X.md: NO.md leads nowhere',
      'docs/X.md: ERRORS.md#no: docs/ERRORS.md has no such heading',
    ]);
  });

  it('make anchors as forges do', () => {
    expect(anchorsOf(page)).toEqual(['a-title-it-is', 'twice', 'twice-1']);
  });

  it('find calls, their options, loose options and paths', () => {
    expect(codeOf(page)).toContain('npm start -- --homes 12 --fresh');
    expect(callsOf(page)).toEqual([
      { program: 'commonwatt', command: 'init', options: ['--data', '--host'] },
      { program: 'commonwatt', command: 'demo', options: ['--homes', '--fresh'] },
      { program: 'commonwatt-gateway', command: 'run', options: [] },
    ]);
    expect(looseOptionsOf(page)).toEqual(['--limit']);
    expect(pathsOf(page)).toEqual(['docs/ONE.md']);
  });
});
