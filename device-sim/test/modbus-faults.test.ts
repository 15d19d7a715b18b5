import modbus from 'modbus-serial';
import { describe, expect, it } from 'vitest';
import type { LineFault } from '../src/modbus/fault.js';
import { readRequest } from './support/probe.js';
import { Bench, PLAIN } from './support/servers.js';

const ModbusRTU = modbus.default;
const bench = new Bench();

async function faulty(fault: LineFault, count?: number) {
  const server = await bench.server(PLAIN);
  server.setFault(fault, count);
  return { server, probe: await bench.probe(server.port) };
}

const GOOD = '0001000000050104020007';

describe('faults on command', () => {
  it('silence: counts the request and says nothing, then heals by itself after the given number', async () => {
    const { server, probe } = await faulty({ kind: 'silence' }, 1);
    probe.send(readRequest(9, 4, 7, 1));
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(11)).toBe(GOOD);
    expect(probe.rest).toBe('');
    expect(server.stats.requests).toBe(2);
  });

  it('late: the answer comes after the delay', async () => {
    const { probe } = await faulty({ kind: 'late', delayMs: 120 });
    const begun = performance.now();
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(11)).toBe(GOOD);
    expect(performance.now() - begun).toBeGreaterThan(100);
  });

  it('late: a client that piles up requests meanwhile is cut off', async () => {
    const { probe } = await faulty({ kind: 'late', delayMs: 60_000 });
    for (let index = 0; index < 100; index++) probe.send(readRequest(index, 4, 7, 1));
    await probe.closed();
  });

  it('exception: the function with its top bit and the code', async () => {
    const { probe } = await faulty({ kind: 'exception', code: 6 });
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(9)).toBe('000100000003018406');
  });

  it('truncated: half of the answer and then nothing', async () => {
    const { probe } = await faulty({ kind: 'truncated' }, 1);
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(6)).toBe(GOOD.slice(0, 12));
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(11)).toBe(GOOD);
  });

  it('wrong-transaction: a good answer to somebody else', async () => {
    const { probe } = await faulty({ kind: 'wrong-transaction' });
    probe.send(readRequest(0xffff, 4, 7, 1));
    expect(await probe.take(11)).toBe('0000000000050104020007');
  });

  it('garbage: as many bytes, and none of them right', async () => {
    const { probe } = await faulty({ kind: 'garbage' });
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(11)).not.toBe(GOOD);
  });

  it('disconnect: half of the answer, then the end', async () => {
    const { probe } = await faulty({ kind: 'disconnect' });
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(6)).toBe(GOOD.slice(0, 12));
    await probe.closed();
  });

  it.each<LineFault>([
    { kind: 'silence' },
    { kind: 'exception', code: 4 },
    { kind: 'truncated' },
    { kind: 'wrong-transaction' },
    { kind: 'garbage' },
    { kind: 'disconnect' },
  ])('modbus-serial never takes $kind for a value', async (fault) => {
    const { server } = await faulty(fault);
    const client = new ModbusRTU();
    client.on('error', () => {});
    client.setTimeout(200);
    await client.connectTCP('127.0.0.1', { port: server.port });
    bench.later(() => client.destroy(() => {}));
    client.setID(1);
    await expect(client.readInputRegisters(7, 1)).rejects.toThrow();
  });
});
