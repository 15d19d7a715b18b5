import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerPdu } from '../src/modbus/answer.js';
import { joinMbap, splitMbap } from '../src/modbus/mbap.js';
import { Probe, readRequest } from './support/probe.js';
import { Bench, PLAIN } from './support/servers.js';

const bench = new Bench();

describe('splitMbap', () => {
  it('gives the same requests however the bytes are cut', () => {
    const request = fc.record({
      transaction: fc.integer({ min: 0, max: 0xffff }),
      unit: fc.integer({ min: 0, max: 255 }),
      pdu: fc.uint8Array({ minLength: 1, maxLength: 253 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 5 }), fc.array(fc.nat(300), { maxLength: 8 }), (requests, cuts) => {
        const bytes = Buffer.concat(requests.map(joinMbap));
        const seen = [];
        let rest: Buffer = Buffer.alloc(0);
        let from = 0;
        for (const to of [...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]) {
          const split = splitMbap(Buffer.concat([rest, bytes.subarray(from, to)]));
          expect(split.broken).toBe(false);
          expect(split.rest.length).toBeLessThan(260);
          seen.push(...split.requests);
          rest = split.rest;
          from = to;
        }
        expect(rest.length).toBe(0);
        expect(seen).toEqual(requests);
      }),
    );
  });

  it('never keeps more than one frame, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(splitMbap(Buffer.from(bytes)).rest.length).toBeLessThan(260);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('answerPdu', () => {
  it('answers every PDU with a PDU of its function', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 253 }), (bytes) => {
        const answer = answerPdu(Buffer.from(bytes), PLAIN);
        expect(answer[0]! & 0x7f).toBe(bytes[0]! & 0x7f);
        expect(answer.length).toBeLessThanOrEqual(253);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a server under fire', () => {
  it('lives through 10,000 packets of random and of nearly right bytes', async () => {
    const server = await bench.server(PLAIN);
    const packet = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.tuple(fc.nat(11), fc.nat(255)).map(([at, byte]) => {
        const bytes = Uint8Array.from(readRequest(1, 4, 0, 10));
        bytes[at] = byte;
        return bytes;
      }),
    );
    const packets = fc.sample(packet, { numRuns: 10_000, seed: 20_240_101 });
    for (let start = 0; start < packets.length; start += 300) {
      // A broken frame ends its connection, so every three hundred are spread over thirty of them.
      const probes = await Promise.all(Array.from({ length: 30 }, () => Probe.open(server.port)));
      for (const [index, bytes] of packets.slice(start, start + 300).entries()) probes[index % 30]!.send(bytes);
      await new Promise((resolve) => setImmediate(resolve));
      for (const probe of probes) probe.close();
    }
    const probe = await bench.probe(server.port);
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(11)).toBe('0001000000050104020007');
  });

  it('stops answering a client that asks and never reads, and goes on for others', async () => {
    const server = await bench.server(PLAIN);
    const { connect } = await import('node:net');
    const greedy = connect({ host: '127.0.0.1', port: server.port });
    bench.later(() => greedy.destroy());
    greedy.on('error', () => {});
    await new Promise((resolve) => greedy.once('connect', resolve));
    greedy.pause();
    const many = Buffer.concat(Array.from({ length: 500 }, (_, index) => readRequest(index, 4, 0, 125)));
    for (let round = 0; round < 200; round++) greedy.write(many);
    const probe = await bench.probe(server.port);
    probe.send(readRequest(1, 4, 7, 1));
    expect(await probe.take(11)).toBe('0001000000050104020007');
    expect(server.stats.requests).toBeLessThan(100_000);
  });
});
