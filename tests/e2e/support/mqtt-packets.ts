/** MQTT 3.1.1 packets by hand: good ones, and what is needed to bend them. */

const CLEAN = 0x02;
/** Will with QoS 1, retained. */
const WILL = 0x2c;

/** `will`: what the broker is asked to say when the connection breaks. */
export function connectPacket(clientId: string, will?: { topic: string; payload: Buffer }): Buffer {
  const flags = will === undefined ? CLEAN : CLEAN | WILL;
  const variable = Buffer.from([0, 4, ...Buffer.from('MQTT'), 4, flags, 0, 60]);
  const last = will === undefined ? [] : [text(will.topic), text(will.payload.toString('latin1'))];
  return packet(0x10, Buffer.concat([variable, text(clientId), ...last]));
}

export function publishPacket(message: { topic: string; payload: Uint8Array; qos?: 0 | 1; retain?: boolean }): Buffer {
  const { topic, payload, qos = 0, retain = false } = message;
  const id = qos === 0 ? [] : [0, 1];
  return packet(0x30 | (qos << 1) | (retain ? 1 : 0), Buffer.concat([text(topic), Buffer.from(id), payload]));
}

export function subscribePacket(filters: readonly string[]): Buffer {
  const body = filters.flatMap((filter) => [text(filter), Buffer.of(1)]);
  return packet(0x82, Buffer.concat([Buffer.of(0, 2), ...body]));
}

/** Any first byte in front of any body. */
export function packet(head: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(head), remainingLength(body.length), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function remainingLength(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  do {
    const more = rest >= 128;
    bytes.push((rest % 128) | (more ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** Cuts a stream into packets and hands out the topic and payload of each PUBLISH. */
export class PublishReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): { topic: string; payload: Buffer }[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const found: { topic: string; payload: Buffer }[] = [];
    for (let next = this.#cut(); next !== undefined; next = this.#cut()) {
      if (next.head >> 4 === 3) found.push(openPublish(next.head, next.body));
    }
    return found;
  }

  #cut(): { head: number; body: Buffer } | undefined {
    let length = 0;
    for (let at = 1; at <= 4; at++) {
      const byte = this.#rest[at];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) * 128 ** (at - 1);
      if ((byte & 0x80) !== 0) continue;
      const end = at + 1 + length;
      if (this.#rest.length < end) return undefined;
      const whole = { head: this.#rest[0]!, body: this.#rest.subarray(at + 1, end) };
      this.#rest = this.#rest.subarray(end);
      return whole;
    }
    throw new Error('a remaining length of more than four bytes');
  }
}

function openPublish(head: number, body: Buffer): { topic: string; payload: Buffer } {
  const topicEnd = 2 + body.readUInt16BE(0);
  const payloadFrom = topicEnd + ((head & 0x06) === 0 ? 0 : 2);
  return { topic: body.subarray(2, topicEnd).toString(), payload: Buffer.from(body.subarray(payloadFrom)) };
}
