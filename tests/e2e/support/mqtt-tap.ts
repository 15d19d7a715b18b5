import { connect, createServer, type Server, type Socket } from 'node:net';
import { PublishReader } from './mqtt-packets.js';

/**
 * Stands between the boxes and the broker and writes down every message that a box ever put on the wire, also those that
 * a dying broker no longer took. Its address stays when the broker comes back on another port.
 */
export class MqttTap {
  readonly published: { readonly topic: string; readonly payload: Uint8Array }[] = [];
  /** Where the broker is now; undefined: nowhere. */
  brokerPort: number | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#join(socket));
  }

  static async start(): Promise<MqttTap> {
    const tap = new MqttTap();
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    return tap;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the tap does not listen');
    return `mqtt://127.0.0.1:${address.port}`;
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
    const broker = connect({ port: this.brokerPort, host: '127.0.0.1', noDelay: true });
    const reader = new PublishReader();
    box.on('data', (chunk: Buffer) => {
      for (const message of reader.read(chunk)) this.published.push(message);
    });
    box.pipe(broker);
    broker.pipe(box);
    for (const [one, other] of [
      [box, broker],
      [broker, box],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
