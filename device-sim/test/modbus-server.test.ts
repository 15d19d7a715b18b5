import { execFile, execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import modbus from 'modbus-serial';
import { describe, expect, it } from 'vitest';
import { Probe, readRequest } from './support/probe.js';
import { Bench, PLAIN } from './support/servers.js';

const ModbusRTU = modbus.default;
const bench = new Bench();

function hasMbpoll(): boolean {
  try {
    execFileSync('mbpoll', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a Modbus TCP server', () => {
  it('answers a read with the words of the range', async () => {
    const { port } = await bench.server(PLAIN);
    const probe = await bench.probe(port);
    probe.send('1234 0000 0006 01 04 0007 0003');
    expect(await probe.take(15)).toBe('123400000009010406000700080009');
  });

  it('puts a frame together from single bytes, and takes apart several in one segment', async () => {
    const { port } = await bench.server(PLAIN);
    const probe = await bench.probe(port);
    for (const byte of readRequest(1, 4, 0, 1)) {
      probe.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await probe.take(11)).toBe('0001000000050104020000');
    const [first, second, third] = [readRequest(2, 4, 1, 1), readRequest(3, 3, 40_000, 1), readRequest(4, 4, 2, 1)];
    probe.send(Buffer.concat([first, second, third.subarray(0, 5)]));
    expect(await probe.take(22)).toBe('0002000000050104020001' + '0003000000050103020001');
    probe.send(third.subarray(5));
    expect(await probe.take(11)).toBe('0004000000050104020002');
  });

  it.each([
    ['an unknown function is 1, before anything else', '01 05 0000 0000', '850' + '1'],
    ['a write is an unknown function', '01 06 0000 0001', '8601'],
    ['quantity 0 is 3, before the address is looked at', '01 04 ffff 0000', '8403'],
    ['quantity 126 is 3', '01 04 0000 007e', '8403'],
    ['quantity 65535 is 3', '01 04 0000 ffff', '8403'],
    ['a range that ends behind the last register is 2', '01 04 0064 0065', '8402'],
    ['a range beyond 65535 is 2', '01 04 ffff 0002', '8402'],
    ['a range that begins before the first register is 2', '01 03 9c3f 0002', '8302'],
  ])('refuses in the order of the specification: %s', async (_, request, answer) => {
    const { port } = await bench.server(PLAIN);
    const probe = await bench.probe(port);
    probe.send(`0001 0000 0006 ${request}`);
    expect(await probe.take(9)).toBe(`00010000000301${answer}`);
  });

  it('serves 125 registers, the most there may be', async () => {
    const { port } = await bench.server(PLAIN);
    const probe = await bench.probe(port);
    probe.send(readRequest(1, 4, 0, 125));
    expect(await probe.take(259)).toMatch(/^0001000000fd0104fa00000001.*007c$/);
  });

  it('answers a read whose length is not that of a read with 3', async () => {
    const { port } = await bench.server(PLAIN);
    const probe = await bench.probe(port);
    probe.send('0001 0000 0004 01 04 0000');
    expect(await probe.take(9)).toBe('000100000003018403');
  });

  it('answers its own unit, 0 and 255, and is silent for others, but counts them', async () => {
    const server = await bench.server(PLAIN);
    const probe = await bench.probe(server.port);
    for (const unit of [2, 247, 255, 0, 1]) probe.send(readRequest(unit, 4, 5, 1, unit));
    expect(await probe.take(33)).toBe('00ff00000005ff04020005' + '0000000000050004020005' + '0001000000050104020005');
    expect(probe.rest).toBe('');
    expect(server.stats.requests).toBe(5);
  });

  it.each([
    ['another protocol', '0001 0001 0006 01 04 0000 0001'],
    ['a length of 0', '0001 0000 0000 01 04 0000 0001'],
    ['a length without a function', '0001 0000 0001 01'],
    ['a length of 255, beyond the largest PDU', '0001 0000 00ff 01 04'],
    ['a length of 65535', '0001 0000 ffff 01 04 0000 0001'],
  ])('closes on %s: nothing can bring the stream back into step', async (_, bytes) => {
    const server = await bench.server(PLAIN);
    const probe = await bench.probe(server.port);
    probe.send(bytes);
    await probe.closed();
    expect(probe.rest).toBe('');
    expect(server.stats.requests).toBe(0);
  });

  it('answers with exception 4 when its registers cannot be shown', async () => {
    const { port } = await bench.server({
      functions: [4],
      read() {
        throw new Error('no image');
      },
    });
    const probe = await bench.probe(port);
    probe.send(readRequest(1, 4, 0, 1));
    expect(await probe.take(9)).toBe('000100000003018404');
  });

  it('makes room for a newcomer by ending the connection that was silent longest', async () => {
    const { port } = await bench.server(PLAIN);
    const early = await bench.probe(port);
    const busy = await bench.probe(port);
    for (let index = 0; index < 30; index++) await bench.probe(port);
    busy.send(readRequest(1, 4, 0, 1));
    await busy.take(11);
    const late = await bench.probe(port);
    await early.closed();
    late.send(readRequest(2, 4, 0, 1));
    expect(await late.take(11)).toBe('0002000000050104020000');
    expect(busy.isClosed).toBe(false);
  });

  it('cannot take a port that is taken, and says so', async () => {
    const other = createServer();
    bench.later(() => other.close());
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const server = await bench.server(PLAIN);
    expect(server.listening).toBe(true);
    const { ModbusServer } = await import('../src/modbus/server.js');
    const { PortKeeper } = await import('../src/modbus/port-keeper.js');
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const second = new ModbusServer({ host: '127.0.0.1', port, unit: 1, source: PLAIN, keeper: new PortKeeper() });
    await expect(second.accept()).rejects.toMatchObject({ code: 'cannot-listen' });
  });
});

describe('refusing and accepting', () => {
  it('refuses connections, ends the open ones, and comes back on the same port, as often as told', async () => {
    const server = await bench.server(PLAIN);
    const { port } = server;
    for (let round = 0; round < 20; round++) {
      const probe = await bench.probe(port);
      await server.refuse();
      expect(probe.isClosed).toBe(true);
      await expect(Probe.open(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await server.accept();
      expect(server.port).toBe(port);
    }
    const probe = await bench.probe(port);
    probe.send(readRequest(1, 4, 0, 1));
    expect(await probe.take(11)).toBe('0001000000050104020000');
  });

  it('keeps the port from anyone else while it refuses', async () => {
    const server = await bench.server(PLAIN);
    await server.refuse();
    // Far more connections than chance needs to hit a free port would be slow; the holder is what is tested.
    const probes = await Promise.all(Array.from({ length: 50 }, () => Probe.open(server.port).catch((error) => error)));
    expect(probes.every((error) => error.code === 'ECONNREFUSED')).toBe(true);
    await server.accept();
    await server.accept();
    await server.refuse();
    await server.refuse();
    await server.accept();
    expect(server.listening).toBe(true);
  });

  it('waits until a client that only listens has noticed, and cuts one that never closes', async () => {
    const server = await bench.server(PLAIN);
    const { connect } = await import('node:net');
    const stubborn = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
    bench.later(() => stubborn.destroy());
    stubborn.on('error', () => {});
    await new Promise((resolve) => stubborn.once('connect', resolve));
    const begun = Date.now();
    await server.refuse();
    expect(Date.now() - begun).toBeLessThan(1500);
  });
});

describe('other people’s clients', () => {
  it('modbus-serial reads input and holding registers, and sees the exceptions', async () => {
    const { port } = await bench.server(PLAIN);
    const client = new ModbusRTU();
    client.on('error', () => {});
    client.setTimeout(1000);
    await client.connectTCP('127.0.0.1', { port });
    bench.later(() => client.destroy(() => {}));
    client.setID(1);
    expect((await client.readInputRegisters(72, 4)).data).toEqual([72, 73, 74, 75]);
    expect((await client.readHoldingRegisters(40_000, 10)).data).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect((await client.readInputRegisters(0, 125)).data).toHaveLength(125);
    await expect(client.readInputRegisters(0, 126)).rejects.toMatchObject({ modbusCode: 3 });
    await expect(client.readInputRegisters(0, 0)).rejects.toMatchObject({ modbusCode: 3 });
    await expect(client.readInputRegisters(199, 2)).rejects.toMatchObject({ modbusCode: 2 });
    await expect(client.writeRegister(0, 1)).rejects.toMatchObject({ modbusCode: 1 });
    await expect(client.readCoils(0, 1)).rejects.toMatchObject({ modbusCode: 1 });
  });

  it('modbus-serial gets 256 requests in flight answered, each with its own', async () => {
    const { port } = await bench.server(PLAIN);
    const client = new ModbusRTU();
    client.on('error', () => {});
    client.setTimeout(5000);
    await client.connectTCP('127.0.0.1', { port });
    bench.later(() => client.destroy(() => {}));
    client.setID(1);
    const addresses = Array.from({ length: 199 }, (_, index) => index);
    const answers = await Promise.all(addresses.map((address) => client.readInputRegisters(address, 1)));
    expect(answers.map(({ data }) => data[0])).toEqual(addresses);
  });

  it.skipIf(!hasMbpoll())('mbpoll (libmodbus) reads it; skipped where mbpoll is not installed', async () => {
    const { port } = await bench.server(PLAIN);
    const args = [
      '-m',
      'tcp',
      '-p',
      String(port),
      '-a',
      '1',
      '-0',
      '-r',
      '72',
      '-c',
      '4',
      '-t',
      '3',
      '-1',
      '127.0.0.1',
    ];
    const { stdout } = await promisify(execFile)('mbpoll', args);
    for (const address of [72, 73, 74, 75]) expect(stdout).toMatch(new RegExp(`\\[${address}\\]:\\s+${address}\\b`));
    const beyond = args.map((arg) => (arg === '72' ? '198' : arg));
    await expect(promisify(execFile)('mbpoll', beyond)).rejects.toMatchObject({
      stderr: expect.stringMatching(/Illegal data address/i),
    });
  });
});
