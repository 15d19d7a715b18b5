/** A mosquitto of the bench's own: a free port of loopback, nothing kept. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { onInterrupt } from './clean-up.js';

const PATHS = ['mosquitto', '/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'];
const TRIES = 200;
const TRY_EVERY_MS = 25;

export interface Mosquitto {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  stop(): Promise<void>;
}

const path = PATHS.find((candidate) => spawnSync(candidate, ['-h']).error === undefined);

/** Whether it is installed. */
export const hasMosquitto = path !== undefined;

/** Throws where it is not installed. */
export async function startMosquitto(folder: string): Promise<Mosquitto> {
  if (path === undefined) throw new Error('mosquitto is not installed');
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  // Messages on the way to one client: the broker's own default of 20 would hold commits to 20 frames.
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_inflight_messages 1000',
  ];
  writeFileSync(config, `${[...lines, 'max_queued_messages 10000', 'set_tcp_nodelay true'].join('\n')}\n`);
  const child = spawn(path, ['-c', config], { stdio: 'ignore' });
  child.once(
    'exit',
    onInterrupt(() => child.kill('SIGKILL')),
  );
  await reachable(port, child);
  return {
    host: '127.0.0.1',
    port,
    url: `mqtt://127.0.0.1:${port}`,
    pid: child.pid!,
    version: /mosquitto version ([\d.]+)/.exec(spawnSync(path, ['-h'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown',
    async stop() {
      if (child.exitCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < TRIES && child.exitCode === null; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
  }
  throw new Error('mosquitto does not listen');
}
