/** Reads which failures there are: from errors.ts, from docs/ERRORS.md, and from the tests that produce them. */

/** A code with its owner, as docs/ERRORS.md heads it: `gateway: bad-config`, `frame answer 4: bad-signature`. */
export type CodeName = string;

/** The closed union, or the closed list, that an errors.ts exports. */
export function listedIn(owner: string, errorsSource: string): CodeName[] {
  const code = withoutComments(errorsSource);
  const declaration =
    /export const [A-Z_]+_ERROR_CODES = \[([^\]]*)\]/.exec(code) ?? /export type \w+ErrorCode =([^;]*);/.exec(code);
  const members = declaration?.[1]?.match(/'[a-z][a-z0-9-]*'/g) ?? [];
  return members.map((member) => `${owner}: ${member.slice(1, -1)}`);
}

/** The answer codes of PROTOCOL 5.1. */
export function answersOf(verdicts: Readonly<Record<string, number>>): CodeName[] {
  return Object.entries(verdicts).map(([name, code]) => `frame answer ${code}: ${name}`);
}

/** What docs/ERRORS.md has a paragraph for: headings with at least a sentence below. */
export function documentedIn(markdown: string): CodeName[] {
  const sections = markdown.split(/^### /m).slice(1);
  return sections.flatMap((section) => {
    const [heading = '', ...lines] = section.split('\n');
    const text = lines.join('\n').split(/^#/m, 1)[0] ?? '';
    return /\w+[^.]*\./.test(text) ? [heading.trim()] : [];
  });
}

const PRODUCES_CODE = /\bproducesCode\(\s*'([a-z-]+)',\s*'([a-z0-9-]+)',/g;
const PRODUCES_ANSWER = /\bproducesAnswer\(\s*(\d+),\s*'([a-z-]+)',/g;

/** What a test source produces, by the literals it hands to the helpers of tests/errors/support. */
export function producedIn(testSource: string): CodeName[] {
  const code = withoutComments(testSource);
  return [
    ...[...code.matchAll(PRODUCES_CODE)].map(([, owner, name]) => `${owner}: ${name}`),
    ...[...code.matchAll(PRODUCES_ANSWER)].map(([, number, name]) => `frame answer ${number}: ${name}`),
  ];
}

export interface CodeSets {
  readonly listed: readonly CodeName[];
  readonly documented: readonly CodeName[];
  readonly produced: readonly CodeName[];
}

/** What keeps the three from being one and the same set, each name once; nothing when they are. */
export function differencesOf(sets: CodeSets): string[] {
  const all = new Set([...sets.listed, ...sets.documented, ...sets.produced]);
  const missing = (Object.keys(sets) as (keyof CodeSets)[]).flatMap((set) =>
    [...all].filter((name) => !sets[set].includes(name)).map((name) => `${name} is not ${set}`),
  );
  const twice = (Object.keys(sets) as (keyof CodeSets)[]).flatMap((set) =>
    sets[set].filter((name, at) => sets[set].indexOf(name) !== at).map((name) => `${name} is ${set} twice`),
  );
  return [...missing, ...twice].sort();
}

function withoutComments(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s\/\/ .*$/gm, '');
}
