import { describe, expect, it } from 'vitest';
import { connectPacket, PACKET, PacketReader, pubackPacket, publishPacket, subscribePacket } from './mqtt-packets.js';

describe('packets written by hand', () => {
  it('are those of MQTT 3.1.1, byte for byte', () => {
    expect(connectPacket('h1').toString('hex')).toBe('100e00044d5154540402000000026831');
    expect(subscribePacket(0x1234, 'a/b').toString('hex')).toBe('820812340003612f6201');
    expect(publishPacket(7, 'a/b', Uint8Array.of(1, 2)).toString('hex')).toBe('32090003612f6200070102');
    expect(pubackPacket(0x0102).toString('hex')).toBe('40020102');
  });

  it('carry lengths of two bytes from 128 on', () => {
    expect(publishPacket(1, 't', new Uint8Array(200)).subarray(0, 3).toString('hex')).toBe('32cd01');
  });
});

describe('the reader', () => {
  const stream = Buffer.concat([
    Buffer.from('20020000', 'hex'),
    publishPacket(9, 'a/b', new Uint8Array(300).fill(5)),
    Buffer.from('40020009', 'hex'),
  ]);

  it('cuts a stream into packets, however it is torn', () => {
    for (let size = 1; size <= stream.length; size += 7) {
      const reader = new PacketReader();
      const packets = [];
      for (let at = 0; at < stream.length; at += size) packets.push(...reader.push(stream.subarray(at, at + size)));
      expect(packets.map(({ type }) => type)).toEqual([PACKET.connack, PACKET.publish, PACKET.puback]);
      expect(packets[1]?.packetId).toBe(9);
      expect(packets[1]?.body).toEqual(Buffer.alloc(300, 5));
    }
  });

  it('gives a message without quality of service no number', () => {
    const [packet] = new PacketReader().push(Buffer.from('30050001610102', 'hex'));
    expect(packet).toMatchObject({ packetId: 0, body: Buffer.of(1, 2) });
  });

  it('refuses a length of more than four bytes', () => {
    expect(() => new PacketReader().push(Buffer.from('30ffffffffff', 'hex'))).toThrow('four bytes');
  });
});
