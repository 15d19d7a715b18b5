import type { Socket } from 'node:net';

/** Largest MQTT packet a client may send, remaining length. A frame has at most 4,096 bytes; the rest is generosity. */
export const MAX_PACKET_BYTES = 65_536;

/** Frames and events of one client that wait for their commit: above it nothing more is read of it. */
const MAX_UNDER_WAY = 32;
/** The broker takes all messages in what it reads at once: a dozen frames, and what a client sends beyond waits in its socket. */
const READ_AT_ONCE_BYTES = 4_096;

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
  #packets = 0;

  constructor(limit = MAX_PACKET_BYTES) {
    this.#limit = limit;
  }

  /** Packets whose end has been seen. */
  get packets(): number {
    return this.#packets;
  }

  /** Untrusted: the next bytes of the stream. False: the stream is broken or a packet is too large. */
  accept(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'body') {
        const skipped = Math.min(this.#length, bytes.length - at);
        this.#length -= skipped;
        at += skipped;
        if (this.#length === 0) this.#end();
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
    if (this.#length === 0) this.#end();
    else this.#state = 'body';
    return this.#length <= this.#limit;
  }

  #end(): void {
    this.#state = 'header';
    this.#packets += 1;
  }
}

/** How many messages of one client wait for their commit. */
export class UnderWay {
  #count = 0;

  get isFull(): boolean {
    return this.#count >= MAX_UNDER_WAY;
  }

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
  }
}

/**
 * Puts a guard where the broker reads from a socket: it takes everything through `read()`, so each byte passes here once.
 * A stream that fails the guard is destroyed; the broker then sees a lost connection. While too much is under way the broker
 * finds nothing to read: it looks again whenever it has answered a message.
 */
export function guardSocket(socket: Socket, underWay: UnderWay, limit = MAX_PACKET_BYTES): void {
  const guard = new PacketGuard(limit);
  const read = socket.read.bind(socket);
  socket.read = (size?: number) => {
    // The stream's own way of asking for more; it throws away what it is given.
    if (size === 0) return read(0);
    if (underWay.isFull) return null;
    const before = guard.packets;
    const parts: Uint8Array[] = [];
    // A packet at least, or all there is: of less the broker would make nothing, and not look again.
    while (guard.packets === before) {
      const bytes: unknown = read(socket.readableLength > READ_AT_ONCE_BYTES ? READ_AT_ONCE_BYTES : undefined);
      if (!(bytes instanceof Uint8Array)) break;
      if (!guard.accept(bytes)) {
        socket.destroy(new Error(`MQTT packet: expected at most ${limit} bytes`));
        return null;
      }
      parts.push(bytes);
    }
    if (parts.length < 2) return parts[0] ?? null;
    return Buffer.concat(parts);
  };
}
