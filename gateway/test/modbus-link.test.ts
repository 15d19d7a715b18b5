import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModbusLink } from '../src/adapters/modbus-link.js';
import { systemTimers } from '../src/adapters/system/system-clock.js';
import { answer, exception, ModbusServer, registersFrom } from './support/modbus-server.js';

const READ_TIMEOUT_MS = 150;
const RANGE = { function: 4, address: 10, count: 4 } as const;
const WORDS = registersFrom(10, 4);

let server: ModbusServer;
let link: ModbusLink;
let port: number;

beforeEach(async () => {
  server = new ModbusServer();
  port = await server.listen();
  link = linkTo(port);
});

afterEach(async () => {
  link.close();
  await server.close();
});

function linkTo(toPort: number, minGapMs = 0, connectTimeoutMs = 300): ModbusLink {
  return new ModbusLink({
    host: '127.0.0.1',
    port: toPort,
    minGapMs,
    timers: systemTimers,
    connectTimeoutMs,
    readTimeoutMs: READ_TIMEOUT_MS,
  });
}

const failing = (code: string) => expect.objectContaining({ code });

describe('a read', () => {
  it('opens the connection, asks once and gives the words', async () => {
    expect(await link.read(7, RANGE)).toEqual(WORDS);
    expect(await link.read(7, { ...RANGE, function: 3 })).toEqual(WORDS);
    expect(server.requests.map((r) => [r.unit, r.function, r.address, r.count])).toEqual([
      [7, 4, 10, 4],
      [7, 3, 10, 4],
    ]);
    expect([server.connections, link.connections, link.requests]).toEqual([1, 1, 2]);
  });

  it('takes an answer that comes byte by byte', async () => {
    server.behave = (request, socket) => {
      const bytes = answer(request, WORDS);
      let at = 0;
      const next = () => {
        if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setTimeout(next, 1));
      };
      next();
    };
    expect(await link.read(1, RANGE)).toEqual(WORDS);
  });

  it('waits for its turn: one request is on the wire at a time', async () => {
    let open = 0;
    let most = 0;
    server.behave = (request, socket) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        socket.write(answer(request, registersFrom(request.address, request.count)));
      }, 5);
    };
    const reads = Array.from({ length: 20 }, (_, at) => link.read(1, { ...RANGE, address: 100 * at }));
    expect(await Promise.all(reads)).toEqual(Array.from({ length: 20 }, (_, at) => registersFrom(100 * at, 4)));
    expect(most).toBe(1);
  });

  it('leaves the device its pause', async () => {
    const slow = linkTo(port, 60);
    const startedMs = performance.now();
    for (let i = 0; i < 3; i++) await slow.read(1, RANGE);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(115);
    slow.close();
  });

  it('tells an exception with its code and keeps the connection', async () => {
    server.behave = (request, socket) => socket.write(exception(request, 2));
    await expect(link.read(1, RANGE)).rejects.toMatchObject({ code: 'meter-exception', modbusCode: 2 });
    server.behave = (request, socket) => socket.write(answer(request, WORDS));
    expect(await link.read(1, RANGE)).toEqual(WORDS);
    expect(server.connections).toBe(1);
  });

  it('never takes a late answer for that of a later request', async () => {
    server.behave = (request, socket) => {
      setTimeout(() => socket.write(answer(request, [9, 9, 9, 9])), READ_TIMEOUT_MS + 50);
    };
    await expect(link.read(1, RANGE)).rejects.toEqual(failing('meter-timeout'));
    server.behave = (request, socket) => setTimeout(() => socket.write(answer(request, WORDS)), 100);
    expect(await link.read(1, RANGE)).toEqual(WORDS);
    expect(server.connections).toBe(2);
  });

  const bends: [string, (bytes: Buffer) => Buffer, string][] = [
    ['with another unit', (bytes) => set(bytes, 6, 99), 'meter-garbled'],
    ['with another function', (bytes) => set(bytes, 7, 3), 'meter-garbled'],
    ['with another transaction', (bytes) => set(bytes, 1, 200), 'meter-timeout'],
    ['with a byte count that is too large', (bytes) => set(bytes, 8, 10), 'meter-garbled'],
    ['with a byte count that is too small', (bytes) => set(bytes, 8, 6), 'meter-garbled'],
    ['with an odd byte count', (bytes) => set(bytes, 8, 7), 'meter-garbled'],
    ['of another protocol', (bytes) => set(bytes, 3, 7), 'meter-garbled'],
    ['with a length of nothing', (bytes) => set(bytes, 5, 0), 'meter-garbled'],
    ['with too many registers', () => Buffer.alloc(0), 'meter-timeout'],
  ];

  it.each(bends)('refuses an answer %s, and has a fresh connection for the next', async (_, bend, code) => {
    server.behave = (request, socket) => socket.write(bend(answer(request, WORDS)));
    await expect(link.read(1, RANGE)).rejects.toEqual(failing(code));
    server.behave = (request, socket) => socket.write(answer(request, WORDS));
    expect(await link.read(1, RANGE)).toEqual(WORDS);
    expect(server.connections).toBe(2);
  });

  it.each([1, 3, 5])('refuses an answer of %i registers to a request of 4', async (count) => {
    server.behave = (request, socket) => socket.write(answer(request, registersFrom(0, count)));
    await expect(link.read(1, RANGE)).rejects.toEqual(failing('meter-garbled'));
  });

  it('is not thrown off by any bytes a device may send', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), fc.boolean(), async (bytes, keepHead) => {
        server.behave = (request, socket) => {
          const head = keepHead ? answer(request, WORDS).subarray(0, 4) : Buffer.alloc(0);
          socket.end(Buffer.concat([head, bytes]));
        };
        await expect(link.read(1, RANGE)).rejects.toMatchObject({ code: expect.stringMatching(/^meter-/) });
        server.behave = (request, socket) => socket.write(answer(request, WORDS));
        expect(await link.read(1, RANGE)).toEqual(WORDS);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

describe('a connection', () => {
  it.each([
    ['ended', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('that is %s in the middle of a request is known at once, not after the time-out', async (_, end) => {
    const patient = new ModbusLink({
      host: '127.0.0.1',
      port,
      minGapMs: 0,
      timers: systemTimers,
      readTimeoutMs: 20_000,
    });
    server.behave = (_request, socket) => end(socket);
    await expect(patient.read(1, RANGE)).rejects.toEqual(failing('meter-unreachable'));
    patient.close();
  });

  it.each([
    ['ended', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('that was %s between two reads is replaced before the next request', async (_, end) => {
    await link.read(1, RANGE);
    const closed = Promise.all(
      [...server.sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
    for (const socket of server.sockets) end(socket);
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
    expect(await link.read(1, RANGE)).toEqual(WORDS);
    expect([server.connections, server.requests.length, link.requests]).toEqual([2, 2, 2]);
  });

  it('that nobody accepts is told as such', async () => {
    await server.close();
    await expect(link.read(1, RANGE)).rejects.toEqual(failing('meter-unreachable'));
    expect(link.requests).toBe(0);
    server = new ModbusServer();
    await server.listen(port);
    expect(await link.read(1, RANGE)).toEqual(WORDS);
  });

  it('that is never accepted ends with its time-out, and does not come to life later', async () => {
    // A process that listens but never looks: once its backlog is full, the system drops further handshakes.
    const script = `
      const server = require('node:net').createServer();
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
        require('node:fs').writeSync(1, String(server.address().port) + '\\n');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const deafProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(deafProcess.stdout, 'data')) as [Buffer];
    const fillers = Array.from({ length: 4 }, () => createConnection(Number(said), '127.0.0.1').on('error', () => {}));
    const deaf = linkTo(Number(said));
    await expect(deaf.read(1, RANGE)).rejects.toMatchObject({
      code: 'meter-unreachable',
      message: expect.stringContaining('within 300 ms'),
    });
    expect(deaf.connections).toBe(0);
    const patient = linkTo(Number(said), 0, 60_000);
    const read = patient.read(1, RANGE);
    setTimeout(() => patient.close(), 20);
    await expect(read).rejects.toMatchObject({ message: expect.stringContaining('is closed') });
    for (const filler of fillers) filler.destroy();
    deafProcess.kill('SIGKILL');
  });

  it('closed by the box ends the reads that wait, and takes no more', async () => {
    server.behave = () => link.close();
    const reads = [link.read(1, RANGE), link.read(1, RANGE)];
    for (const read of reads) await expect(read).rejects.toEqual(failing('meter-unreachable'));
    await expect(link.read(1, RANGE)).rejects.toMatchObject({ message: expect.stringContaining('is closed') });
    expect(server.requests).toHaveLength(1);
  });

  it('takes a bounded number of reads', async () => {
    server.behave = () => {};
    const reads = Array.from({ length: 80 }, () => link.read(1, RANGE).catch((error) => error.message));
    expect(await reads[79]).toMatch(/64 reads wait/);
    link.close();
    await server.close();
    await Promise.all(reads);
    server = new ModbusServer();
    await server.listen();
  });
});

function set(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}
