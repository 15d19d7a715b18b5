import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../bin/commonwatt-gateway.js', import.meta.url));

type Line = Record<string, unknown>;

/** `commonwatt-gateway --lines` as a child process. */
export class LineProcess {
  readonly child: ChildProcess;
  readonly events: Line[] = [];
  stderr = '';
  #next = 1;
  #text = '';
  readonly #waiting = new Map<unknown, (line: Line) => void>();

  constructor() {
    this.child = spawn(process.execPath, [LAUNCHER, '--lines'], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr!.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.child.stdin!.on('error', () => {});
    this.child.stdout!.on('data', (chunk: Buffer) => {
      const lines = (this.#text + chunk.toString()).split('\n');
      this.#text = lines.pop()!;
      for (const text of lines) {
        const line = JSON.parse(text) as Line;
        if ('event' in line) this.events.push(line);
        else this.#waiting.get(line.id)?.(line);
      }
    });
  }

  /** Sends a request; resolves with its answer. */
  ask(request: Line): Promise<Line> {
    const id = this.#next++;
    this.child.stdin!.write(`${JSON.stringify({ id, ...request })}\n`);
    return this.answerTo(id);
  }

  send(text: string): void {
    this.child.stdin!.write(text);
  }

  answerTo(id: unknown): Promise<Line> {
    return new Promise((resolve) => {
      this.#waiting.set(id, (line) => {
        this.#waiting.delete(id);
        resolve(line);
      });
    });
  }

  /** As a power cut: nothing is closed, nothing said. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  /** Resolves with the exit status. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const [code] = (await once(this.child, 'exit')) as [number | null];
    return code;
  }
}
