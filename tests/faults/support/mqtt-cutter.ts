/** MQTT 3.1.1 packets out of a stream, whole and unchanged. */

export class PacketCutter {
  #rest: Buffer = Buffer.alloc(0);

  cut(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const packets: Buffer[] = [];
    for (let end = packetEnd(this.#rest); end !== undefined; end = packetEnd(this.#rest)) {
      packets.push(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
    return packets;
  }
}

export interface Publish {
  readonly topic: string;
  readonly payload: Buffer;
  /** Absent with QoS 0. */
  readonly id?: number;
}

/** Undefined for any other packet. */
export function publishOf(packet: Buffer): Publish | undefined {
  const head = packet[0]!;
  if (head >> 4 !== 3) return undefined;
  const from = bodyStart(packet)!;
  const topicEnd = from + 2 + packet.readUInt16BE(from);
  const topic = packet.subarray(from + 2, topicEnd).toString();
  if ((head & 0x06) === 0) return { topic, payload: packet.subarray(topicEnd) };
  return { topic, payload: packet.subarray(topicEnd + 2), id: packet.readUInt16BE(topicEnd) };
}

export function pubackFor(id: number): Buffer {
  return Buffer.of(0x40, 0x02, id >> 8, id & 0xff);
}

function packetEnd(bytes: Buffer): number | undefined {
  const from = bodyStart(bytes);
  if (from === undefined) return undefined;
  let length = 0;
  for (let at = 1; at < from; at++) length += (bytes[at]! & 0x7f) * 128 ** (at - 1);
  return bytes.length < from + length ? undefined : from + length;
}

function bodyStart(bytes: Buffer): number | undefined {
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    if ((byte & 0x80) === 0) return at + 1;
  }
  throw new Error('a remaining length of more than four bytes');
}
