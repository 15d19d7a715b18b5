import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Keeps a port that nobody listens on from being given to someone else. A home without a value refuses connections
 * and must come back on the same port; a free ephemeral port would meanwhile go to any program that connects
 * anywhere. A connection that was bound to the port holds it: whoever dials the port is still refused.
 */
export class PortKeeper {
  #anchor: Server | undefined;
  readonly #held = new Map<number, Socket>();

  /** Gets ready to hold ports of that address; after it, `hold` takes the port without letting anyone in between. */
  async prepare(host: string): Promise<void> {
    await this.#anchorOn(host);
  }

  /** Precondition: the port was just given up by its listener. Failing to hold it is not an error, only a risk. */
  async hold(host: string, port: number): Promise<void> {
    const anchor = this.#anchor === undefined ? await this.#anchorOn(host) : portOf(this.#anchor);
    const socket = connect({ host, port: anchor, localAddress: host, localPort: port });
    socket.unref();
    this.#held.set(port, socket);
    await new Promise<void>((resolve) => {
      socket.once('connect', () => resolve());
      socket.once('error', () => resolve());
    });
  }

  /** Lets go of the port; call it once the listener is back. */
  release(port: number): void {
    this.#held.get(port)?.resetAndDestroy();
    this.#held.delete(port);
  }

  stop(): void {
    for (const port of [...this.#held.keys()]) this.release(port);
    this.#anchor?.close();
    this.#anchor = undefined;
  }

  async #anchorOn(host: string): Promise<number> {
    if (this.#anchor === undefined) {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.resume();
        socket.unref();
      });
      server.unref();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port: 0 }, resolve);
      });
      this.#anchor = server;
    }
    return portOf(this.#anchor);
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
