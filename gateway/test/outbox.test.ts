import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MemoryDisk, openMemoryOutbox } from '../src/adapters/memory-outbox.js';
import { openSqliteOutbox } from '../src/adapters/sqlite-outbox.js';
import type { Outbox } from '../src/core/outbox.js';
import { frame, outboxContract, sample, state } from './support/outbox-contract.js';

outboxContract('memory', () => {
  const disk = new MemoryDisk();
  return {
    open: () => openMemoryOutbox(disk),
    crash: () => {
      disk.open = false;
    },
    dispose: () => {},
  };
});

outboxContract('sqlite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cw-outbox-'));
  const opened: Outbox[] = [];
  return {
    open: () => {
      const outbox = openSqliteOutbox(join(folder, 'outbox.db'));
      opened.push(outbox);
      return outbox;
    },
    // Within one process a file can only be closed; what a real kill leaves is the story of crash.test.ts.
    crash: () => opened.pop()?.close(),
    dispose: () => {
      for (const outbox of opened) outbox.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('the outbox in a file', () => {
  const withFolder = (run: (folder: string) => void) => {
    const folder = mkdtempSync(join(tmpdir(), 'cw-outbox-'));
    try {
      run(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it('is refused to another process with a sentence that says what to do', () => {
    withFolder((folder) => {
      const file = join(folder, 'outbox.db');
      const outbox = openSqliteOutbox(file);
      const module = new URL('../dist/adapters/sqlite-outbox.js', import.meta.url).href;
      const script = `import(${JSON.stringify(module)}).then((m) => m.openSqliteOutbox(process.argv[1])).then(() => console.log('opened'), (e) => console.log(e.code, e.message))`;
      const said = execFileSync(process.execPath, ['-e', script, file], { encoding: 'utf8' });
      expect(said).toMatch(/^outbox-in-use another gateway process has .*outbox\.db open: stop it first/);
      outbox.close();
    });
  });

  it.each([
    ['no database at all', (file: string) => writeFileSync(file, 'x'.repeat(8192))],
    [
      'a database of something else',
      (file: string) => {
        const script = `const d = new (require('better-sqlite3'))(process.argv[1]); d.exec('CREATE TABLE t (a)'); d.pragma('user_version = 7')`;
        execFileSync(process.execPath, ['-e', script, file]);
      },
    ],
  ])('is refused when it is %s', (_, make) => {
    withFolder((folder) => {
      const file = join(folder, 'outbox.db');
      make(file);
      expect(() => openSqliteOutbox(file)).toThrow(expect.objectContaining({ code: 'outbox-damaged' }));
    });
  });

  it('takes a write-ahead log of another database for what it is', () => {
    withFolder((folder) => {
      const file = join(folder, 'outbox.db');
      const outbox = openSqliteOutbox(file);
      outbox.commit({ state, addSamples: [sample], addOutgoing: [frame(1)] });
      outbox.close();
      writeFileSync(`${file}-wal`, Buffer.alloc(32 * 1024, 0x5a));
      const again = openSqliteOutbox(file);
      expect(again.state()).toEqual(state);
      expect(again.newestFrame()?.number).toBe(1);
      again.close();
    });
  });
});
