import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import type { FakeLedger } from './fake-ledger.js';

/** A real MQTT broker on loopback with a ledger behind it, in the process of the test. */
export class RealBroker {
  readonly ledger: FakeLedger;
  /** Messages as the broker got them, in order. */
  readonly published: { topic: string; payload: Buffer; retain: boolean; qos: number }[] = [];
  /** Whether the ledger hears a message. */
  hears: (topic: string, payload: Buffer) => boolean = () => true;
  port = 0;
  readonly sockets = new Set<Socket>();
  #aedes: Aedes | undefined;
  #server: Server | undefined;

  constructor(ledger: FakeLedger) {
    this.ledger = ledger;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async start(port = 0): Promise<this> {
    const aedes = await Aedes.createBroker();
    this.#aedes = aedes;
    aedes.on('publish', ({ topic, payload, retain, qos }, client) => {
      if (client === null) return;
      const bytes = Buffer.from(payload);
      this.published.push({ topic, payload: bytes, retain, qos });
      const leaf = topic.split('/').at(-1);
      if ((leaf !== 'frame' && leaf !== 'event') || !this.hears(topic, bytes)) return;
      for (const answer of this.ledger.receive(leaf, bytes)) this.say(topic.replace(/[^/]+$/, 'answer'), answer);
    });
    const server = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      aedes.handle(socket);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.port = (server.address() as { port: number }).port;
    return this;
  }

  say(topic: string, payload: Uint8Array): void {
    this.#aedes?.publish(
      { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain: false, dup: false },
      () => {},
    );
  }

  count(leaf: string): number {
    return this.published.filter(({ topic }) => topic.endsWith(`/${leaf}`)).length;
  }

  async stop(): Promise<void> {
    const aedes = this.#aedes;
    this.#aedes = undefined;
    await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(() => resolve())));
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

/** Waits for a condition, with a bound. */
export async function until(condition: () => boolean, what: string, withinMs = 15_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
