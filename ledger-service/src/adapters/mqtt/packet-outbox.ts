/**
 * MQTT packets that the broker writes by itself. What one turn of the event loop has for a connection leaves in one write:
 * the acknowledgement of a frame and its receipt, which are decided together, cost the kernel once.
 */
import type { Socket } from 'node:net';

const PUBLISH = 0x30;
const QOS_1 = 0x02;
const PUBACK = 0x40;

/** MQTT 3.4. */
export function pubackPacket(packetId: number): Buffer {
  return Buffer.of(PUBACK, 2, packetId >> 8, packetId & 0xff);
}

/** MQTT 3.3; `packetId` undefined: QoS 0. */
export function publishPacket(topic: string, payload: Uint8Array, packetId: number | undefined): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const length = 2 + topicBytes + (packetId === undefined ? 0 : 2) + payload.length;
  const packet = Buffer.allocUnsafe(1 + lengthBytes(length) + length);
  packet[0] = packetId === undefined ? PUBLISH : PUBLISH | QOS_1;
  let at = writeLength(packet, 1, length);
  at = packet.writeUInt16BE(topicBytes, at);
  at += packet.write(topic, at);
  if (packetId !== undefined) at = packet.writeUInt16BE(packetId, at);
  packet.set(payload, at);
  return packet;
}

/** MQTT 2.2.3: seven bits a byte, at most four bytes. */
function lengthBytes(length: number): number {
  if (length < 0x80) return 1;
  if (length < 0x4000) return 2;
  return length < 0x20_0000 ? 3 : 4;
}

function writeLength(packet: Buffer, from: number, length: number): number {
  let at = from;
  let rest = length;
  for (; rest >= 0x80; rest >>>= 7) packet[at++] = (rest & 0x7f) | 0x80;
  packet[at++] = rest;
  return at;
}

/** So many bytes for one connection do not wait for the end of the turn. */
const MAX_HELD_BYTES = 64 * 1024;

interface Held {
  readonly acknowledgements: Buffer[];
  readonly packets: Buffer[];
  bytes: number;
}

export class PacketOutbox {
  readonly #held = new Map<Socket, Held>();

  /** Leaves when this turn is over, in the order in which it came, behind all acknowledgements of the turn. */
  add(socket: Socket, packet: Buffer): void {
    const held = this.#heldFor(socket);
    held.packets.push(packet);
    held.bytes += packet.length;
    if (held.bytes > MAX_HELD_BYTES) send(socket, held);
  }

  acknowledge(socket: Socket, packetId: number): void {
    const held = this.#heldFor(socket);
    held.acknowledgements.push(pubackPacket(packetId));
    held.bytes += 4;
  }

  #heldFor(socket: Socket): Held {
    if (this.#held.size === 0) setImmediate(() => this.#sendAll());
    let held = this.#held.get(socket);
    if (held === undefined) {
      held = { acknowledgements: [], packets: [], bytes: 0 };
      this.#held.set(socket, held);
    }
    return held;
  }

  #sendAll(): void {
    for (const [socket, held] of this.#held) if (held.bytes > 0) send(socket, held);
    this.#held.clear();
  }
}

function send(socket: Socket, held: Held): void {
  const packets = [...held.acknowledgements.splice(0), ...held.packets.splice(0)];
  held.bytes = 0;
  if (!socket.destroyed) socket.write(packets.length === 1 ? packets[0]! : Buffer.concat(packets));
}
