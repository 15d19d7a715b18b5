/**
 * Stands between boxes and broker, writes down every frame that a box put on the wire, and behaves as badly as a broker
 * may: it repeats, holds back and so reorders, forgets what it acknowledged, and closes connections without a word.
 */
import type { Socket } from 'node:net';
import { MiddleMan } from '../../e2e/support/middle-man.js';
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
  mood: Mood = CALM;
  readonly #random: () => number;
  #between!: MiddleMan;

  private constructor(random: () => number) {
    this.#random = random;
  }

  static async start(random: () => number): Promise<WildBroker> {
    const broker = new WildBroker(random);
    broker.#between = await MiddleMan.start((box, real) => broker.#join(box, real));
    return broker;
  }

  get url(): string {
    return this.#between.url;
  }

  /** Where the real broker is; undefined: nowhere. */
  set brokerPort(port: number | undefined) {
    this.#between.brokerPort = port;
  }

  /** Nobody is connected any more, and nobody gets in until there is a port again. */
  vanish(): void {
    this.brokerPort = undefined;
    this.#between.hangUp();
  }

  stop(): Promise<void> {
    return this.#between.stop();
  }

  #join(box: Socket, real: Socket): void {
    this.counts.connections += 1;
    this.#carry(box, real, (packet) => this.#noteFrame(packet));
    this.#carry(real, box, () => undefined);
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
