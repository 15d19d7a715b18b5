import { connect, createServer, type Server, type Socket } from 'node:net';
import { PublishReader } from '../e2e/support/mqtt-packets.js';
import type { Recorder } from './recorder.js';

/**
 * Stands between the boxes and the broker and has every message written down that a box ever put on the wire or got from it,
 * also those that a dying broker no longer took. Its address stays when the broker comes back on another port.
 */
export class WireTap {
  /** Where the broker is now; undefined: nowhere. */
  brokerPort: number | undefined;
  readonly #recorder: Recorder;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.#server = createServer({ noDelay: true }, (socket) => this.#join(socket));
  }

  static async start(recorder: Recorder): Promise<WireTap> {
    const tap = new WireTap(recorder);
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
    for (const [one, other] of [
      [box, broker],
      [broker, box],
    ] as const) {
      this.#sockets.add(one);
      const reader = new PublishReader();
      one.on('data', (chunk: Buffer) => {
        for (const { topic, payload } of reader.read(chunk)) this.#recorder.take(topic, payload, one === box);
      });
      one.pipe(other);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
