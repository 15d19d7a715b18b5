/** Gateways as processes that speak the line protocol, and meters that misbehave. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './processes.js';

/** Nothing listens there: a box waits for its broker as long as it takes. */
export const NO_BROKER = 'mqtt://127.0.0.1:1';

export interface MeterPlace {
  readonly host: string;
  readonly port: number;
}

/** A configuration as `commonwatt enrol` writes it, of a box with one reference meter. */
export function boxConfig(meter: MeterPlace = { host: '127.0.0.1', port: 1 }, changes: object = {}): object {
  return {
    version: 1,
    community: 'sunny',
    origin: 'coop.example/sunny',
    gateway: 'h1',
    member: 'm1',
    mqtt: NO_BROKER,
    log_key: '11'.repeat(32),
    answer_key: '22'.repeat(32),
    first_previous: '33'.repeat(32),
    interval_s: 900,
    poll_s: 0,
    seal: 'edge',
    meters: [
      {
        index: 0,
        id: 'e1',
        profile: 'reference',
        ...meter,
        unit: 1,
        channels: [{ quantity: 1, exponent: -3, width_bits: 64, limit_w: 0 }],
      },
    ],
    ...changes,
  };
}

/** A data folder in which this file stands already. */
export function folderWith(name: string, content: string): string {
  const folder = join(temporaryFolder(), 'box');
  mkdirSync(folder);
  writeFileSync(join(folder, name), content);
  return folder;
}

/** A Modbus TCP device; `answer` gives the bytes to a request, or none to keep silent. */
export async function meterThat(answer: (request: Buffer) => Buffer | undefined): Promise<MeterPlace> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (request: Buffer) => {
      const bytes = answer(request);
      if (bytes !== undefined) socket.write(bytes);
    });
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: '127.0.0.1', port };
}

/** The port on loopback that the server got. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return address.port;
}

/** A port on loopback where nothing listens: one that was just free. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
