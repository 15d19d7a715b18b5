/** Reads the imports of a source file as text: type imports, re-exports and dynamic imports too. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Text of source files by path from the root, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

const SKIPPED = new Set(['node_modules', 'dist', 'coverage', '.git', '.commonwatt']);

export function readFiles(folder: string, extensions: readonly string[]): Sources {
  const found = new Map<string, string>();
  const walk = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name)) walk(child);
      } else if (extensions.some((extension) => entry.name.endsWith(extension))) {
        found.set(relative(ROOT, child).split(sep).join('/'), readFileSync(child, 'utf8'));
      }
    }
  };
  walk(join(ROOT, folder));
  return found;
}

const SPECIFIER = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\brequire\s*\(\s*)(['"])([^'"\n]+)\1/g;

/** What a file imports, as written. */
export function importsOf(text: string): readonly string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return [...code.matchAll(SPECIFIER)].map((match) => match[2]!);
}

const PACKAGES: Readonly<Record<string, string>> = {
  '@commonwatt/firmware-protocol': 'firmware-protocol',
  '@commonwatt/gateway': 'gateway',
  '@commonwatt/ledger-service': 'ledger-service',
  '@commonwatt/device-sim': 'device-sim',
};

/** A path from the root for what is ours, else the name of the module as written. */
export function resolveImport(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return join(dirname(from), specifier).split(sep).join('/').replace(/\.js$/, '.ts');
  const owner = Object.keys(PACKAGES).find((name) => specifier === name || specifier.startsWith(`${name}/`));
  return owner === undefined ? specifier : `${PACKAGES[owner]}/src/${specifier.slice(owner.length + 1) || 'index.ts'}`;
}
