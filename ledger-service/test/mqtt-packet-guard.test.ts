import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketGuard } from '../src/adapters/mqtt/packet-guard.js';

function packet(first: number, bodyBytes: number): Buffer {
  const length: number[] = [];
  let rest = bodyBytes;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([first, ...length]), Buffer.alloc(bodyBytes, 0xff)]);
}

describe('the guard in front of the embedded broker', () => {
  it('accepts any packets up to the limit, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 1_000 })), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 50 }),
        (packets, cuts) => {
          const stream = Buffer.concat(packets.map(([first, bytes]) => packet(first, bytes)));
          const guard = new PacketGuard(1_000);
          let at = 0;
          for (let i = 0; at < stream.length; i += 1) {
            const end = at + (cuts[i % cuts.length] ?? 1);
            expect(guard.accept(stream.subarray(at, end))).toBe(true);
            at = end;
          }
        },
      ),
    );
  });

  it('refuses a packet above the limit at its length field', () => {
    const guard = new PacketGuard(1_000);
    expect(guard.accept(packet(0x30, 1_000))).toBe(true);
    expect(guard.accept(packet(0x30, 1_001).subarray(0, 2))).toBe(true);
    expect(guard.accept(packet(0x30, 1_001).subarray(2, 3))).toBe(false);
  });

  it('refuses a length field that does not end', () => {
    expect(new PacketGuard().accept(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]))).toBe(false);
  });
});
