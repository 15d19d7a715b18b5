/** A file system of its own that can be full or read-only, where this machine lets one be mounted. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHUNK = Buffer.alloc(64 * 1024, 0x5a);

/** `at` and `path` as those of a temporary folder. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static mount(megabytes: number): SmallDisk {
    const path = mkdtempSync(join(tmpdir(), 'commonwatt-disk-'));
    run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'commonwatt-disk', path]);
    return new SmallDisk(path);
  }

  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  /** Not a byte is left. */
  fill(): void {
    const handle = openSync(this.#filler, 'w');
    try {
      for (let chunk = CHUNK; chunk.length > 0; ) {
        try {
          if (writeSync(handle, chunk) < chunk.length) chunk = chunk.subarray(0, chunk.length >> 1);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          chunk = chunk.subarray(0, chunk.length >> 1);
        }
      }
    } finally {
      closeSync(handle);
    }
  }

  /** There is room again. */
  free(): void {
    rmSync(this.#filler);
  }

  /** Refused by the system while a process writes to a file on it. */
  makeReadOnly(): void {
    run('mount', ['-o', 'remount,ro', this.path]);
  }

  makeWritable(): void {
    run('mount', ['-o', 'remount,rw', this.path]);
  }

  remove(): void {
    run('umount', ['--lazy', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }

  get #filler(): string {
    return this.at('filler');
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

function triesToMount(): string {
  if (process.platform !== 'linux') return 'needs Linux';
  try {
    SmallDisk.mount(1).remove();
    return '';
  } catch (error) {
    return `needs the right to mount a tmpfs (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`;
  }
}

/** Empty where a tmpfs may be mounted, else why not. */
export const noSmallDisk = triesToMount();
