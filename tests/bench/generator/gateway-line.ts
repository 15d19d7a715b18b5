/** One gateway's connection: sends its sealed frames in order and keeps every answer for the check after the run. */
import { connect, type Socket } from 'node:net';
import { connectPacket, PACKET, PacketReader, pubackPacket, subscribePacket } from './mqtt-packets.js';

const CONNECTED_WITHIN_MS = 20_000;
const SUBSCRIBE_ID = 65_535;

export interface GatewayLineOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly answerTopic: string;
  /** Publish packets, ready to be written. */
  readonly packets: readonly Buffer[];
  /** Called for each answer, after it was kept; the line is told what to send next by it. */
  readonly onAnswer: (line: GatewayLine, atMs: number) => void;
  readonly onTrouble: (error: Error) => void;
}

export class GatewayLine {
  readonly #options: GatewayLineOptions;
  readonly #reader = new PacketReader();
  readonly answers: Buffer[] = [];
  #socket: Socket | undefined;
  #sent = 0;
  #subscribed: (() => void) | undefined;
  #closing = false;

  constructor(options: GatewayLineOptions) {
    this.#options = options;
  }

  /** Frames given to the socket. */
  get sent(): number {
    return this.#sent;
  }

  get unanswered(): number {
    return this.#sent - this.answers.length;
  }

  /** Resolves when the broker has taken the subscription. */
  async open(): Promise<void> {
    const { host, port, clientId } = this.#options;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#options.onTrouble(error));
    socket.on('close', () => {
      if (!this.#closing) this.#options.onTrouble(new Error(`the broker closed the connection of ${clientId}`));
    });
    socket.write(connectPacket(clientId));
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${clientId}: no subscription in time`)), CONNECTED_WITHIN_MS);
      this.#subscribed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Sends the next frame; false when there is none left, or `limit` have been sent. */
  sendNext(limit: number): boolean {
    const packet = this.#sent < limit ? this.#options.packets[this.#sent] : undefined;
    if (packet === undefined) return false;
    this.#sent += 1;
    this.#socket!.write(packet);
    return true;
  }

  close(): void {
    this.#closing = true;
    this.#socket?.destroy();
  }

  #take(bytes: Buffer): void {
    const atMs = performance.now();
    const socket = this.#socket!;
    // Acknowledgements and the frames that follow leave in one write.
    socket.cork();
    for (const { type, packetId, body } of this.#reader.push(bytes)) {
      if (type === PACKET.connack) this.#subscribe(body);
      else if (type === PACKET.suback) this.#subscribed?.();
      else if (type === PACKET.publish) {
        if (packetId !== 0) socket.write(pubackPacket(packetId));
        this.answers.push(body);
        this.#options.onAnswer(this, atMs);
      }
    }
    socket.uncork();
  }

  #subscribe(connack: Buffer): void {
    if (connack[1] !== 0) this.#options.onTrouble(new Error(`the broker refuses the connection: ${connack[1]}`));
    this.#socket!.write(subscribePacket(SUBSCRIBE_ID, this.#options.answerTopic));
  }
}
