/**
 * As much of MQTT 3.1.1 as a load generator needs, written by hand: a library would cost several times more for each frame
 * than the service that is measured.
 */

const PUBLISH = 3;
const QOS_1 = 1 << 1;
const MAX_LENGTH_BYTES = 4;

export const PACKET = { connack: 2, publish: 3, puback: 4, suback: 9 } as const;

/** MQTT 3.1, clean session, no keep-alive. */
export function connectPacket(clientId: string): Buffer {
  const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0]);
  return packet(0x10, [head, text(clientId)]);
}

/** MQTT 3.8, QoS 1. */
export function subscribePacket(packetId: number, filter: string): Buffer {
  return packet(0x82, [uint16(packetId), text(filter), Buffer.of(1)]);
}

/** MQTT 3.3, QoS 1. */
export function publishPacket(packetId: number, topic: string, payload: Uint8Array): Buffer {
  return packet((PUBLISH << 4) | QOS_1, [text(topic), uint16(packetId), payload]);
}

/** MQTT 3.4. */
export function pubackPacket(packetId: number): Buffer {
  return Buffer.of(0x40, 2, packetId >> 8, packetId & 0xff);
}

export interface ReceivedPacket {
  readonly type: number;
  /** Of PUBLISH with QoS 1, else 0. */
  readonly packetId: number;
  /** Of PUBLISH: its payload; of others the body. */
  readonly body: Buffer;
}

/** Cuts a stream of bytes into packets. */
export class PacketReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The packets that are whole now. */
  push(bytes: Buffer): ReceivedPacket[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const packets: ReceivedPacket[] = [];
    let at = 0;
    for (;;) {
      const head = readHead(this.#rest, at);
      if (head === undefined || head.bodyAt + head.length > this.#rest.length) break;
      const end = head.bodyAt + head.length;
      packets.push(openPacket(this.#rest[at]!, this.#rest.subarray(head.bodyAt, end)));
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
    return packets;
  }
}

function readHead(bytes: Buffer, at: number): { length: number; bodyAt: number } | undefined {
  let length = 0;
  for (let i = 0; i < MAX_LENGTH_BYTES; i++) {
    const byte = bytes[at + 1 + i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return { length, bodyAt: at + 2 + i };
  }
  throw new Error('MQTT: a length of more than four bytes');
}

function openPacket(first: number, body: Buffer): ReceivedPacket {
  const type = first >> 4;
  if (type !== PUBLISH) return { type, packetId: 0, body };
  const topicEnd = 2 + body.readUInt16BE(0);
  if ((first & QOS_1) === 0) return { type, packetId: 0, body: body.subarray(topicEnd) };
  return { type, packetId: body.readUInt16BE(topicEnd), body: body.subarray(topicEnd + 2) };
}

function packet(first: number, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.of(first), remainingLength(length), ...parts]);
}

function remainingLength(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  do {
    bytes.push(rest >= 128 ? (rest % 128) + 128 : rest);
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}
