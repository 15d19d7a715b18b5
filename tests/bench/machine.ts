import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { ROOT } from './root.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly platform: string;
  readonly node: string;
  readonly openssl: string;
  /** Of the last minute. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export function loadNow(): number {
  return loadavg()[0] ?? 0;
}

export function describeMachine(loadBefore: number): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${type()} ${release()} ${process.arch}`,
    node: process.versions.node,
    openssl: process.versions.openssl ?? 'none',
    loadBefore,
    loadAfter: loadNow(),
  };
}

/** The commit that is measured, with `+` where files differ from it; undefined outside a checkout. */
export function commitOfTree(): string | undefined {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
    const changed = git('status', '--porcelain').trim() !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${changed ? '+' : ''}`;
  } catch {
    return undefined;
  }
}
