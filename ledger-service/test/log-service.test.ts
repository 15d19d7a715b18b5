/** The log's lines: which level has which, what is left out of a flood, and what is taken out of a line. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProtocolError } from '@commonwatt/firmware-protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeError } from '../src/adapters/log/describe-error.js';
import type { LogLevel } from '../src/adapters/log/levels.js';
import { MAX_LINES_A_WINDOW } from '../src/adapters/log/line-budget.js';
import { LogFile } from '../src/adapters/log/log-file.js';
import { scrubber } from '../src/adapters/log/scrub.js';
import { ServiceLog } from '../src/adapters/log/service-log.js';
import { LedgerError } from '../src/core/errors.js';

type Line = Readonly<Record<string, unknown>>;

function logAt(level: LogLevel, secrets: readonly string[] = []) {
  const lines: Line[] = [];
  const time = { ms: 0 };
  const log = new ServiceLog({
    level,
    destination: { write: (line) => lines.push(JSON.parse(line) as Line) },
    secrets,
    monotonicMs: () => time.ms,
  });
  return { log, lines, time, messages: () => lines.map(({ msg }) => msg) };
}

const request = { requestId: 'r-1', method: 'GET', route: '/v1/communities', tookMs: 3.4 };
const batch = { community: 'sunny', frames: 2, accepted: 1, duplicate: 0, tookMs: 5.2 };
const refusals = [{ gateway: 'h1', verdict: 'fork' }];

function everything(log: ServiceLog): void {
  log.info('serving', { url: 'http://127.0.0.1:8080' });
  log.trouble('broker: away');
  log.answered({ ...request, status: 200 });
  log.answered({ ...request, method: 'POST', status: 201 });
  log.answered({ ...request, status: 304 });
  log.answered({ ...request, status: 404, code: 'not-found' });
  log.answered({ ...request, status: 503, code: 'store', fault: new LedgerError('store', 'disk full') });
  log.framesDecided({ ...batch, refusals });
  log.framesDecided({ ...batch, refusals: [{ gateway: 'h1', verdict: 'gap' }] });
  log.eventDecided({ community: 'sunny', refusals });
  log.messageDropped({ community: 'sunny', gateway: 'h1', kind: 'frame', error: new TypeError('x is not a function') });
}

describe('a level', () => {
  it.each([
    ['silent', []],
    ['error', ['request failed', 'message dropped']],
    ['warn', ['broker: away', 'request failed', 'message dropped']],
    [
      'info',
      [
        'serving',
        'broker: away',
        'written',
        'request refused',
        'request failed',
        'frame refused',
        'event refused',
        'message dropped',
      ],
    ],
    [
      'debug',
      [
        ...['serving', 'broker: away', 'answered', 'written', 'answered', 'request refused', 'request failed'],
        ...['frames decided', 'frame refused', 'frames decided', 'frame waits', 'event refused', 'message dropped'],
      ],
    ],
  ] as const)('%s has what belongs to it', (level, expected) => {
    const { log, messages } = logAt(level);
    everything(log);
    expect(messages()).toEqual(expected);
  });

  it('has lines that programs can read: level, time and message, and the fields of each', () => {
    const { log, lines } = logAt('info');
    everything(log);
    for (const line of lines) expect(line).toMatchObject({ level: expect.any(String), time: expect.any(String) });
    expect(lines[3]).toMatchObject({ request: 'r-1', method: 'GET', route: '/v1/communities', status: 404, ms: 3 });
    expect(lines[4]).toMatchObject({ level: 'error', code: 'store', error: { code: 'store', message: 'disk full' } });
    expect(lines[5]).toMatchObject({ community: 'sunny', gateway: 'h1', code: 'fork' });
  });
});

describe('a flood', () => {
  it('is written down up to its budget, and then counted', () => {
    const { log, lines, time } = logAt('info');
    for (let i = 0; i < 5000; i++) log.answered({ ...request, status: 404, code: 'not-found' });
    expect(lines).toHaveLength(MAX_LINES_A_WINDOW);
    time.ms += 10_000;
    log.answered({ ...request, status: 404, code: 'not-found' });
    expect(lines.slice(MAX_LINES_A_WINDOW)).toMatchObject([
      { msg: 'lines left out', count: 5000 - MAX_LINES_A_WINDOW },
      { msg: 'request refused' },
    ]);
  });

  it('of one sort takes no line from another', () => {
    const { log, messages } = logAt('info');
    for (let i = 0; i < 1000; i++) log.answered({ ...request, status: 401, code: 'unauthorised' });
    everything(log);
    expect(messages().slice(MAX_LINES_A_WINDOW)).toEqual(
      expect.arrayContaining(['frame refused', 'request failed', 'message dropped', 'broker: away', 'written']),
    );
  });

  it('costs nothing where it is not written', () => {
    const { log, lines } = logAt('warn');
    for (let i = 0; i < 100_000; i++) log.framesDecided({ ...batch, refusals });
    expect(lines).toEqual([]);
  });
});

describe('a line', () => {
  const hex = 'a'.repeat(64);
  const base64 = Buffer.alloc(32, 7).toString('base64');

  it('has no secret, and of bytes their beginning only', () => {
    const { log, lines } = logAt('info', ['the-operators-token']);
    log.trouble(`token the-operators-token, key ${hex}, entry ${base64}, short deadbeef`);
    expect(lines[0]?.msg).toBe('token [secret], key aaaaaaaa~, entry BwcHBwcH~, short deadbeef');
  });

  it('keeps paths, ids and sentences as they are', () => {
    const clean = scrubber(['the-operators-token']);
    for (const text of [
      '/var/lib/commonwatt/some/very/long/path/to/the/data/folder/of/a/ledger/ledger.db',
      'gateway 0011223344556677 of home green-door',
      '4f6d8db9-c01e-42b7-9b31-02e9e33326ff',
    ]) {
      expect(clean(text)).toBe(text);
    }
  });

  it('is never emptied by a secret that is empty or too short to be one', () => {
    expect(scrubber(['', 'a'])('a line')).toBe('a line');
  });
});

describe('an error', () => {
  it('of ours is its sentence, with the causes that it has', () => {
    const cause = Object.assign(new Error('ENOSPC: no space left, write /data/ledger.db'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
    expect(describeError(new LedgerError('store', 'the disk is full', { cause }))).toEqual({
      type: 'LedgerError',
      code: 'store',
      message: 'the disk is full',
      cause: { type: 'Error', code: 'ENOSPC', message: cause.message, at: expect.any(Array) },
    });
  });

  it('that may show a piece of what it was handed is its kind and its place', () => {
    const parse = () => {
      try {
        return JSON.parse('{"name":Annegret}') as unknown;
      } catch (error) {
        return error;
      }
    };
    for (const error of [parse(), new ProtocolError('bad-payload', 'name: got "Annegret"'), new Error('Annegret')]) {
      const shown = JSON.stringify(describeError(error));
      expect(shown).not.toContain('Annegret');
      expect(shown).toContain('log-service.test.ts');
    }
  });

  it('of the language says which variable', () => {
    expect(describeError(new TypeError('x is undefined'))).toMatchObject({ message: 'x is undefined' });
  });

  it('may be anything that was thrown, and any chain of causes', () => {
    expect(describeError('Annegret')).toEqual({ type: 'string' });
    expect(describeError(undefined)).toEqual({ type: 'undefined' });
    const loop = new Error('a');
    loop.cause = loop;
    expect(JSON.stringify(describeError(loop)).length).toBeLessThan(20_000);
  });
});

describe('a log file', () => {
  function folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'commonwatt-log-'));
    onTestFinished(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  it('is for its owner alone, and goes on where it was', () => {
    const file = join(folder(), 'service.log');
    for (const line of ['one\n', 'two\n']) {
      const log = new LogFile({ file });
      log.write(line);
      log.close();
    }
    expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('begins anew when it is full, and keeps the one before', () => {
    const file = join(folder(), 'service.log');
    const log = new LogFile({ file, maxBytes: 100 });
    for (let i = 0; i < 100; i++) log.write(`line ${i} of a hundred lines\n`);
    log.close();
    const bytes = statSync(file).size + statSync(`${file}.1`).size;
    expect(bytes).toBeLessThan(300);
    expect(readFileSync(file, 'utf8') + readFileSync(`${file}.1`, 'utf8')).toContain('line 99 ');
  });

  it('that cannot be written counts what is lost and stops nobody', () => {
    const log = new LogFile({ file: '/dev/full' });
    for (let i = 0; i < 3; i++) log.write('line\n');
    expect(log.lost).toBe(3);
    log.close();
    log.close();
    log.write('after its end\n');
    expect(log.lost).toBe(3);
  });
});
