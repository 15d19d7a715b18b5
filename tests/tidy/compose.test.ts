import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './imports.js';

const judge = spawnSync('docker-compose', ['version']);
const reason = 'needs the Debian package docker-compose, which checks a file by its schema without an engine';

describe('docker-compose.yml', () => {
  it.skipIf(judge.status !== 0)(`is valid by schema (${reason})`, () => {
    const check = spawnSync('docker-compose', ['-f', join(ROOT, 'docker-compose.yml'), 'config', '--quiet'], {
      encoding: 'utf8',
    });
    expect({ status: check.status, stderr: check.stderr }).toEqual({ status: 0, stderr: '' });
  });
});
