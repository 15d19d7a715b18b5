import { connect, createServer, type Server, type Socket } from 'node:net';
import { PublishReader } from './mqtt-packets.js';

/** Wires the two ends of a new connection up; each is destroyed when the other is gone. */
export type Join = (box: Socket, broker: Socket) => void;

/** Stands between the boxes and a broker. Its address stays when the broker comes back on another port. */
export class MiddleMan {
  /** Where the broker is now; undefined: nowhere, and nobody gets in. */
  brokerPort: number | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(join: Join) {
    this.#server = createServer({ noDelay: true }, (box) => this.#admit(box, join));
  }

  static async start(join: Join): Promise<MiddleMan> {
    const man = new MiddleMan(join);
    await new Promise<void>((resolve) => man.#server.listen(0, '127.0.0.1', resolve));
    return man;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('nobody listens between boxes and broker');
    return `mqtt://127.0.0.1:${address.port}`;
  }

  /** Nobody is connected any more. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.hangUp();
    await closed;
  }

  #admit(box: Socket, join: Join): void {
    if (this.brokerPort === undefined) {
      box.destroy();
      return;
    }
    const broker = connect({ port: this.brokerPort, host: '127.0.0.1', noDelay: true });
    join(box, broker);
    for (const [one, other] of [
      [box, broker],
      [broker, box],
    ] as const) {
      this.#sockets.add(one);
      // What went wrong with it shows in its end.
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}

/** Hears of a message on the wire; `isSent`: on its way from a box to the broker. */
export type TapListener = (topic: string, payload: Uint8Array, isSent: boolean) => void;

/** A middle man who passes everything on and tells of every message, also of those that a dying broker no longer took. */
export function startTap(listener: TapListener): Promise<MiddleMan> {
  return MiddleMan.start((box, broker) => {
    for (const [from, to] of [
      [box, broker],
      [broker, box],
    ] as const) {
      const reader = new PublishReader();
      from.on('data', (chunk: Buffer) => {
        for (const { topic, payload } of reader.read(chunk)) listener(topic, payload, from === box);
      });
      from.pipe(to);
    }
  });
}
