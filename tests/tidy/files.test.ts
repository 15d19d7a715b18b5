import { describe, expect, it } from 'vitest';
import { breachesOf, MAX_LINES } from './files.js';
import { readFiles } from './imports.js';

const FOLDERS = ['firmware-protocol', 'gateway', 'ledger-service', 'device-sim', 'tests', 'scripts'];

describe('every source file', () => {
  it('is short, named for what it holds, typed, and leaves nothing for later', () => {
    const files = FOLDERS.flatMap((folder) => [...readFiles(folder, ['.ts', '.mjs', '.js'])]);
    expect(files.length).toBeGreaterThan(200);
    expect(files.flatMap(([path, source]) => breachesOf(path, source))).toEqual([]);
  });
});

describe('a seeded breach is found', () => {
  const SEEDS: readonly (readonly [string, string, string])[] = [
    ['a long file', 'gateway/src/pump.ts', '\n'.repeat(MAX_LINES + 1)],
    ['a name in camel case', 'gateway/src/pumpRoom.ts', ''],
    ['a default export', 'gateway/src/pump.ts', 'export default class Pump {}'],
    ['a default export by another name', 'gateway/src/pump.ts', 'export { Pump as default };'],
    ['any', 'gateway/src/pump.ts', 'function f(x: any) {}'],
    ['any in a generic', 'gateway/src/pump.ts', 'const m = new Map<string, any>();'],
    ['a silenced compiler', 'gateway/src/pump.ts', `// @ts-${'ignore'}`],
    ['work for later', 'gateway/src/pump.ts', `// ${'TO'}${'DO'}: more`],
    ['a lonely test', 'gateway/test/pump.test.ts', "it.only('runs', () => {});"],
    ['a test left out', 'gateway/test/pump.test.ts', "describe.skip('runs', () => {});"],
  ];

  it.each(SEEDS)('%s', (_, path, source) => {
    expect(breachesOf(path, source)).toHaveLength(1);
  });

  it('does not mind the right ones', () => {
    const source =
      "/* any */ it.skipIf(!has)('says why', () => {}); const text = 'as any'; f({ any: 1 }); const company = 2;";
    expect(breachesOf('gateway/src/pump-room.ts', source)).toEqual([]);
    expect(breachesOf('vitest.config.ts', 'export default {};')).toEqual([]);
  });
});
