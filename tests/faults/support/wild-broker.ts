/**
 * Stands between boxes and broker, writes down every frame that a box put on the wire, and behaves as badly as a broker
 * may: it repeats, holds back and so reorders, forgets what it acknowledged, and closes connections without a word.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { PacketCutter, pubackFor, publishOf } from './mqtt-cutter.js';

/** Chances for each PUBLISH, 0 to 1, and how long one may be held back. */
export interface Mood {
  readonly repeats: number;
  readonly loses: number;
  readonly holdsBack: number;
  readonly longestMs: number;
  /** For each packet: the connection is gone. */
  readonly hangsUp: number;
}

export const CALM: Mood = { repeats: 0, loses: 0, holdsBack: 0, longestMs: 0, hangsUp: 0 };
/** Most bytes that wait for a peer that does not read. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

export class WildBroker {
  readonly published: { readonly topic: string; readonly payload: Uint8Array }[] = [];
  readonly counts = { connections: 0, repeated: 0, lost: 0, heldBack: 0, hungUp: 0 };
  /** Where the real broker is; undefined: nowhere. */
  brokerPort: number | undefined;
  mood: Mood = CALM;
  readonly #server: Server;
  readonly #random: () => number;
  readonly #sockets = new Set<Socket>();

  private constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer({ noDelay: true }, (socket) => this.#join(socket));
  }

  static async start(random: () => number): Promise<WildBroker> {
    const broker = new WildBroker(random);
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve));
    return broker;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the broker does not listen');
    return `mqtt://127.0.0.1:${address.port}`;
  }

  /** Nobody is connected any more, and nobody gets in until there is a port again. */
  vanish(): void {
    this.brokerPort = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(box: Socket): void {
    if (this.brokerPort === undefined) {
      box.destroy();
      return;
    }
    this.counts.connections += 1;
    const real = connect({ port: this.brokerPort, host: '127.0.0.1', noDelay: true });
    this.#carry(box, real, (packet) => this.#noteFrame(packet));
    this.#carry(real, box, () => undefined);
    for (const [one, other] of [
      [box, real],
      [real, box],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  #carry(from: Socket, to: Socket, note: (packet: Buffer) => void): void {
    const cutter = new PacketCutter();
    from.on('data', (chunk: Buffer) => {
      for (const packet of cutter.cut(chunk)) {
        note(packet);
        this.#pass(packet, from, to);
      }
    });
  }

  #noteFrame(packet: Buffer): void {
    const message = publishOf(packet);
    if (message?.topic.endsWith('/frame')) this.published.push({ topic: message.topic, payload: message.payload });
  }

  #pass(packet: Buffer, from: Socket, to: Socket): void {
    const { repeats, loses, holdsBack, longestMs, hangsUp } = this.mood;
    if (this.#happens(hangsUp, 'hungUp')) {
      from.destroy();
      return;
    }
    const message = publishOf(packet);
    if (message === undefined) {
      send(to, packet);
      return;
    }
    if (this.#happens(loses, 'lost')) {
      // Acknowledged, and forgotten.
      if (message.id !== undefined) send(from, pubackFor(message.id));
      return;
    }
    const copies = this.#happens(repeats, 'repeated') ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#happens(holdsBack, 'heldBack')) setTimeout(() => send(to, packet), this.#random() * longestMs);
      else send(to, packet);
    }
  }

  #happens(chance: number, what: keyof WildBroker['counts']): boolean {
    const happens = chance > 0 && this.#random() < chance;
    if (happens) this.counts[what] += 1;
    return happens;
  }
}

function send(to: Socket, packet: Buffer): void {
  if (to.destroyed || !to.writable) return;
  if (to.writableLength > MAX_BACKLOG_BYTES) to.destroy();
  else to.write(packet);
}
