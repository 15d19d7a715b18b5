/** The smallest measure through the command that people use: it builds, measures, prints and writes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WITHIN_MS = 120_000;

function bench(...args: readonly string[]) {
  return spawnSync(process.execPath, ['scripts/bench.mjs', ...args], { cwd: ROOT, encoding: 'utf8' });
}

describe('npm run bench', () => {
  it(
    'measures what is named and leaves every count in a file',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'commonwatt-bench-test-'));
      try {
        const out = join(folder, 'bench.json');
        const { status, stdout, stderr } = bench('--quick', '--only', 'rebuild', '--out', out);
        expect(stderr).not.toContain('Error');
        expect(status).toBe(0);
        expect(stdout).toMatch(/^rebuild: every projection dropped and folded anew, hashes equal/m);
        const record = JSON.parse(readFileSync(out, 'utf8'));
        expect(record).toMatchObject({ version: 1, command: `npm run bench -- --quick --only rebuild --out ${out}` });
        expect(record.machine.cores).toBeGreaterThan(0);
        expect(record.results[0].raw).toMatchObject({ homes: 200, frames: 2_400 });
        expect(record.results[0].raw.entriesPerS).toBeGreaterThan(0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    WITHIN_MS,
  );

  it(
    'says what is wrong with an option, and how it is called',
    () => {
      const { status, stderr } = bench('--only', 'rebiuld');
      expect(status).toBe(2);
      expect(stderr).toContain('did you mean rebuild?');
      expect(stderr).toContain('--gateway-minutes N');
    },
    WITHIN_MS,
  );
});
