import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { until } from '../e2e/support/until.js';
import type { Life } from './mortal.js';

const LISTENS_WITHIN_MS = 20_000;

/** Debian keeps it where not everybody looks. */
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };

export function hasMosquitto(): boolean {
  return spawnSync('mosquitto', ['-h'], { stdio: 'ignore', env: ENV }).error === undefined;
}

/** A broker of other makers that can be killed, and forgets everything when it is. */
export class MosquittoProcess implements Life {
  readonly notes: string[] = [];
  readonly exited: Promise<void>;
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  #hasEnded = false;

  constructor(port: number, configFile: string) {
    const lines = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'set_tcp_nodelay true',
      'max_queued_messages 10000',
    ];
    writeFileSync(configFile, `${lines.join('\n')}\n`);
    this.#child = spawn('mosquitto', ['-c', configFile], {
      stdio: 'ignore',
      env: ENV,
    });
    this.exited = new Promise((resolve) => {
      const end = (why: string) => () => {
        this.#hasEnded = true;
        this.notes.push(why);
        resolve();
      };
      this.#child.once('exit', end('it exited'));
      this.#child.once('error', end('it could not be started: install the Debian package mosquitto'));
    });
    this.ready = until(`mosquitto listens on ${port}`, LISTENS_WITHIN_MS, () => {
      if (this.#hasEnded) throw new Error(`mosquitto: ${this.notes.join(' ')}`);
      return isListening(port);
    }).then(() => undefined);
  }

  get isAlive(): boolean {
    return !this.#hasEnded;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

/** A port of loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
