import type { Socket } from 'node:net';

/** Largest MQTT packet a client may send, remaining length. A frame has at most 4,096 bytes; the rest is generosity. */
export const MAX_PACKET_BYTES = 65_536;

const MAX_LENGTH_BYTES = 4;

/**
 * Follows the packet boundaries of one MQTT 3.1.1 byte stream (MQTT 2.2) without keeping any of it, so that a packet that
 * claims to be larger than the limit is noticed at its length field and not after 256 MiB have been buffered.
 */
export class PacketGuard {
  readonly #limit: number;
  #state: 'header' | 'length' | 'body' = 'header';
  #length = 0;
  #lengthBytes = 0;

  constructor(limit = MAX_PACKET_BYTES) {
    this.#limit = limit;
  }

  /** Untrusted: the next bytes of the stream. False: the stream is broken or a packet is too large. */
  accept(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'body') {
        const skipped = Math.min(this.#length, bytes.length - at);
        this.#length -= skipped;
        at += skipped;
        if (this.#length === 0) this.#state = 'header';
      } else if (this.#state === 'header') {
        this.#state = 'length';
        this.#length = 0;
        this.#lengthBytes = 0;
        at += 1;
      } else {
        if (!this.#acceptLength(bytes[at] as number)) return false;
        at += 1;
      }
    }
    return true;
  }

  #acceptLength(byte: number): boolean {
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
    this.#lengthBytes += 1;
    if ((byte & 0x80) !== 0) return this.#lengthBytes < MAX_LENGTH_BYTES;
    this.#state = this.#length === 0 ? 'header' : 'body';
    return this.#length <= this.#limit;
  }
}

/**
 * Puts a guard where the broker reads from a socket: it takes everything through `read()`, so each byte passes here once.
 * A stream that fails the guard is destroyed; the broker then sees a lost connection.
 */
export function guardSocket(socket: Socket, limit = MAX_PACKET_BYTES): void {
  const guard = new PacketGuard(limit);
  const read = socket.read.bind(socket);
  socket.read = (size?: number) => {
    const bytes: unknown = read(size);
    if (!(bytes instanceof Uint8Array) || guard.accept(bytes)) return bytes;
    socket.destroy(new Error(`MQTT packet: expected at most ${limit} bytes`));
    return null;
  };
}
