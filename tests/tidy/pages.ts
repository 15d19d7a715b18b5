/** Reads the pages of the project as text: links, headings, commands, and the paths that they name. */

/** A page: its path from the root, and its text. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

const SPAN = /`((?:[^`\n]|\n(?!\n))+)`/g;
const LINK = /\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g;
const FENCE = /^(?:```|~~~)/;
const INDENTED = /^ {4}/;

/** The lines of prose and those of code blocks: fenced, or indented by four after an empty line. */
function partsOf(text: string): { readonly prose: string; readonly code: string } {
  const prose: string[] = [];
  const code: string[] = [];
  let isFenced = false;
  let isIndented = false;
  let before = '';
  for (const line of text.split('\n')) {
    const isFence = FENCE.test(line);
    isIndented = !isFenced && INDENTED.test(line) && (isIndented || before.trim() === '');
    if (isFence) isFenced = !isFenced;
    else (isFenced || isIndented ? code : prose).push(line);
    if (line.trim() !== '') before = isIndented ? '' : line;
    else before = '';
  }
  return { prose: prose.join('\n'), code: code.join('\n') };
}

/** A page without its code blocks. */
export function proseOf({ text }: Page): string {
  return partsOf(text).prose;
}

/** Where the links of a page lead to, as written; addresses of the web are left out. */
export function linksOf(page: Page): string[] {
  // What stands in a span of code is no link, but a span may be the text of one.
  const prose = proseOf(page).replace(SPAN, 'code');
  const targets = [...prose.matchAll(LINK)].map(([, target = '']) => target);
  return [...new Set(targets)].filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

/** The anchors of a page, as forges make them from headings. */
export function anchorsOf(page: Page): string[] {
  const headings = [...proseOf(page).matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = '']) => heading);
  const seen = new Map<string, number>();
  return headings.map((heading) => {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
}

/** Lines of code blocks, continued ones joined, and spans of code. */
export function codeOf({ text }: Page): string[] {
  const { prose, code } = partsOf(text);
  const spans = [...prose.matchAll(SPAN)].map(([, span = '']) => span.replace(/\s+/g, ' '));
  const lines = code.replace(/\\\n\s*/g, ' ').split('\n');
  return [...lines, ...spans].map((line) => line.trim()).filter((line) => line !== '');
}

/** A call of one of the commands, as a page shows it. */
export interface Call {
  readonly program: string;
  readonly command: string | undefined;
  readonly options: readonly string[];
}

const PROGRAM = /(?:^|[\s(])(commonwatt(?:-gateway|-sim)?)(?=\s|$)([^|;&>#]*)/g;

/** Calls of the commands in code, `npm start -- ...` too; prose that only names a program is none. */
export function callsOf(page: Page): Call[] {
  return codeOf(page).flatMap((line) => {
    const start = /^npm start -- (.*)$/.exec(line);
    if (start !== null) return [callOf('commonwatt', `demo ${start[1]}`)];
    return [...line.replace(/^\$ /, '').matchAll(PROGRAM)].map(([, program = '', rest = '']) => callOf(program, rest));
  });
}

function callOf(program: string, rest: string): Call {
  const words = rest.split(/\s+/).filter((word) => word !== '');
  const [first] = words;
  return {
    program,
    command: first !== undefined && /^[a-z][a-z-]*$/.test(first) ? first : undefined,
    options: optionsIn(words),
  };
}

/** Options that stand alone in a span of code: `--limit`, `--mqtt URL`. */
export function looseOptionsOf(page: Page): string[] {
  return optionsIn(codeOf(page).filter((code) => code.startsWith('--')));
}

function optionsIn(words: readonly string[]): string[] {
  return words.flatMap((word) => word.match(/^\[?(--[a-z][a-z0-9-]*)/)?.slice(1) ?? []);
}

/** What `--help` of a command lists. */
export function optionsOfHelp(help: string): string[] {
  return [...help.matchAll(/^\s+(?:-\w, )?(--[a-z][a-z0-9-]*)/gm)].map(([, option = '']) => option);
}

export function commandsOfHelp(help: string): string[] {
  const section = /^Commands:\n((?: {2}.*\n?)*)/m.exec(help)?.[1] ?? '';
  return [...section.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, command = '']) => command);
}

/** Files of the repository that a page names in code, from the root. */
export function pathsOf(page: Page): string[] {
  const pattern = /^(?:firmware-protocol|gateway|ledger-service|device-sim|tests|docs|scripts)\/[\w./-]+\.[a-z]{1,4}$/;
  return codeOf(page).filter((code) => pattern.test(code));
}
