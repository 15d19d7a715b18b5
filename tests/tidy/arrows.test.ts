import { describe, expect, it } from 'vitest';
import { findImpureReads, findViolations } from './arrows.js';
import { readFiles, type Sources } from './imports.js';

function allSources(): Sources {
  const folders = ['firmware-protocol/src', 'gateway/src', 'ledger-service/src', 'device-sim/src'];
  return new Map(folders.flatMap((folder) => [...readFiles(folder, ['.ts'])]));
}

describe('the arrows of the house', () => {
  it('has sources to look at', () => {
    expect(allSources().size).toBeGreaterThan(50);
  });

  it('points every import the way data flows', () => {
    expect(findViolations(allSources())).toEqual([]);
  });

  it('reads clock, chance and environment only at the rim', () => {
    expect(findImpureReads(allSources())).toEqual([]);
  });
});

describe('a seeded violation is found', () => {
  const SEEDS: readonly (readonly [string, string, string])[] = [
    ['node in the protocol', 'firmware-protocol/src/frame.ts', "import { createHash } from 'node:crypto';"],
    ['a type of a sibling', 'gateway/src/pump.ts', "import type { Ledger } from '@commonwatt/ledger-service';"],
    ['a path into a sibling', 'device-sim/src/street.ts', "import { x } from '../../gateway/src/config.js';"],
    ['a database in core', 'ledger-service/src/core/settle.ts', "import Database from 'better-sqlite3';"],
    [
      'an adapter in a use case',
      'ledger-service/src/usecases/ledger.ts',
      "export * from '../adapters/store/sqlite-store.js';",
    ],
    [
      'an adapter in an adapter',
      'ledger-service/src/adapters/http/app.ts',
      "const x = await import('../mqtt/bus.js');",
    ],
    ['a main', 'gateway/src/cli.ts', "import './main.js';"],
  ];

  it.each(SEEDS)('%s', (_, file, text) => {
    expect(findViolations(new Map([[file, text]]))).toHaveLength(1);
  });

  it('does not mind the right ones', () => {
    const text =
      "import { parseFramePayload } from '@commonwatt/firmware-protocol';\nimport type { Rows } from './working-set.js';";
    expect(findViolations(new Map([['ledger-service/src/core/settle.ts', text]]))).toEqual([]);
  });

  it('finds a clock in core and an environment outside config', () => {
    expect(findImpureReads(new Map([['ledger-service/src/core/settle.ts', 'const now = Date.now();']]))).toHaveLength(
      1,
    );
    expect(findImpureReads(new Map([['gateway/src/cli.ts', 'process.env.HOME']]))).toHaveLength(1);
  });
});
