/** Small rules that every source file keeps (CONTRIBUTING). */
import { basename } from 'node:path';

/** A page of a book is shorter; beyond this there is a second idea inside. */
export const MAX_LINES = 400;

const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.config|\.d)?\.(?:ts|mjs|js)$/;
const DEFAULT_EXPORT = /^\s*export\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/m;
const ANY = /(?::|<|,|\||\bas|\bextends|=)\s*any\b(?!\s*[('"`:])/;
const SILENCED = /@ts-(?:ignore|nocheck|expect-error)/;
const LATER = /\bTO(?:DO)\b|\bFIX(?:ME)\b/;
const LEFT_OUT = /\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:only|skip|todo)\b/;

/** What a file breaks; nothing for one that keeps the rules. */
export function breachesOf(path: string, source: string): string[] {
  const code = withoutTexts(source);
  const isSource = /\/src\//.test(path);
  const lines = source.split('\n').length - 1;
  const rules: readonly (readonly [boolean, string])[] = [
    [isSource && lines > MAX_LINES, `${lines} lines: expected at most ${MAX_LINES}`],
    [!KEBAB_CASE.test(basename(path)), 'its name is not kebab-case'],
    [!/\.config\.ts$/.test(path) && DEFAULT_EXPORT.test(code), 'a default export'],
    [isSource && ANY.test(code), 'any as a type'],
    [SILENCED.test(source), 'a compiler that is told to look away'],
    [LATER.test(source), 'work left for later'],
    [LEFT_OUT.test(code), 'a test that leaves others or itself out'],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, breach]) => `${path}: ${breach}`);
}

/** Without comments and without what stands in quotes. */
function withoutTexts(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(['"])(?:\\.|(?!\1)[^\\\n])*\1/g, "''")
    .replace(/\/\/.*$/gm, '');
}
