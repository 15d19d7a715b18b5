import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../../ledger-service/bin/commonwatt.js', import.meta.url));

/** A process of `commonwatt` that leads a process group of its own, as under a shell, and can be signalled like there. */
export class GroupProcess {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #seen = new Set<number>();

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [LAUNCHER, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** To the whole group, as Ctrl-C does. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // Gone already.
    }
  }

  /** To the process alone. */
  signalAlone(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its children that are alive, and those it ever had: orphans are noticed too. */
  children(): { readonly pid: number; readonly args: string }[] {
    const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
    const all = stdout.split('\n').map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line));
    const processes = all
      .filter((match) => match !== null)
      .map(([, pid, ppid, args = '']) => {
        return { pid: Number(pid), ppid: Number(ppid), args };
      });
    for (const { pid, ppid } of processes) if (ppid === this.pid) this.#seen.add(pid);
    return processes.filter(({ pid, args }) => this.#seen.has(pid) && args.includes('--lines'));
  }

  /** The exit status. Throws, and ends it, when it is still there after that time. */
  async exited(withinMs: number): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), withinMs);
    });
    const first = await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    if (first !== 'late') return this.#child.exitCode;
    this.signal('SIGKILL');
    throw new Error(`still there after ${withinMs} ms: ${this.stderr.slice(-500)}`);
  }
}
