/** System calls of a running process that fail, or take long, as the kernel would let them: strace puts it in. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

const ATTACHED_WITHIN_MS = 10_000;

/** Empty where strace may attach to a process, else why not. */
export const noSyscallFaults = triesToAttach();

/** What befalls the storage of a process. Reading goes on in each. */
export const STORAGE_FAULTS = {
  /** The file system went read-only under open files, as ext4 does after an error. */
  'read-only': ['pwrite64,ftruncate:error=EROFS', 'pwrite64,ftruncate'],
  'failing writes': ['pwrite64,fdatasync,fsync:error=EIO', 'pwrite64,fdatasync,fsync'],
  full: ['pwrite64:error=ENOSPC', 'pwrite64'],
} as const;

export class SyscallFault {
  readonly #strace: ChildProcess;
  readonly #gone: Promise<void>;

  private constructor(strace: ChildProcess) {
    this.#strace = strace;
    this.#gone = new Promise((resolve) => strace.once('close', () => resolve()));
  }

  /** From here on until `heal`. */
  static storage(pid: number, fault: keyof typeof STORAGE_FAULTS): Promise<SyscallFault> {
    const [inject, traced] = STORAGE_FAULTS[fault];
    return SyscallFault.inject(pid, inject, traced);
  }

  /** Each write-out to the medium takes so long. */
  static slowDisk(pid: number, delayMs: number): Promise<SyscallFault> {
    return SyscallFault.inject(pid, `fdatasync,fsync:delay_exit=${delayMs * 1000}`, 'fdatasync,fsync');
  }

  static async inject(pid: number, inject: string, traced: string): Promise<SyscallFault> {
    const args = ['-p', `${pid}`, '-e', `trace=${traced}`, '-e', `inject=${inject}`, '-o', '/dev/null'];
    const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`strace did not attach: ${said}`)), ATTACHED_WITHIN_MS);
      strace.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (!/attached/.test(said)) return;
        clearTimeout(timer);
        resolve();
      });
      strace.once('close', () => reject(new Error(`strace ended: ${said}`)));
    });
    return new SyscallFault(strace);
  }

  /** Twice is fine, and so is a process that is gone. */
  async heal(): Promise<void> {
    if (this.#strace.exitCode === null && this.#strace.signalCode === null) this.#strace.kill('SIGINT');
    await this.#gone;
  }
}

function triesToAttach(): string {
  const { error } = spawnSync('strace', ['-V']);
  if (error !== undefined) return 'needs strace';
  const sleeper = spawn('sleep', ['5'], { stdio: 'ignore' });
  const { stderr } = spawnSync('timeout', ['0.5', 'strace', '-p', `${sleeper.pid}`], { encoding: 'utf8' });
  sleeper.kill();
  return /attached/.test(stderr) ? '' : 'needs the right to attach to processes with strace';
}
