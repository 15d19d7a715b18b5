import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AedesPublishPacket, type Client, type PublishPacket, type Subscription } from 'aedes';
import { LedgerError } from '../../core/errors.js';
import { readOn } from './aedes-client.js';
import { decidePublish, isLoopback, MAX_RETAINED_TOPICS, maySubscribe } from './broker-rules.js';
import { DirectAnswers } from './direct-answers.js';
import { KnownTopics } from './known-topics.js';
import { HANDED_OVER, type MessageBus, type MessageHandler, type PublishOptions } from './message-bus.js';
import { guardSocket, MAX_PACKET_BYTES, UnderWay } from './packet-guard.js';
import { PacketOutbox } from './packet-outbox.js';
import { TopicListeners } from './topic-listeners.js';

/** Sockets open at once, connected as MQTT clients or not. */
export const MAX_CONNECTIONS = 2_000;
/** Unsent bytes at which a client that does not read is let go, before it can hold up the others. */
export const MAX_CLIENT_BACKLOG_BYTES = 128 * 1024;

/** Either way: what is read ahead of a client, and what may be unsent before a message waits for the client to read. */
const SOCKET_BUFFER_BYTES = 32 * 1024;
/** For the first packet. A commit on a slow disk holds everything up for seconds: who knocked meanwhile is no stranger. */
const CONNECT_TIMEOUT_MS = 60_000;
const DRAIN_TIMEOUT_MS = 5_000;
const MAX_CLIENT_ID_LENGTH = 256;
const MAX_INBOUND_QOS2 = 16;
/** Strangers' errors are counted always and written down at most this often. */
const ERROR_LINE_EVERY_MS = 10_000;

export interface EmbeddedBrokerOptions {
  /** 0: any free port. */
  readonly port: number;
  readonly bind?: string;
  readonly maxPacketBytes?: number;
  readonly log?: (line: string) => void;
}

/**
 * An MQTT 3.1.1 broker inside the ledger's process. It differs from a broker outside in three ways: it acknowledges a
 * frame only when the ledger has it durably, it keeps no sessions (all that must last is in the ledger and in the
 * outboxes), and it lets nobody but the ledger publish answers and checkpoints.
 */
export class EmbeddedBroker implements MessageBus {
  readonly waitsForRoom = false;
  readonly #options: EmbeddedBrokerOptions;
  readonly #sockets = new Map<Client['conn'], UnderWay>();
  readonly #retained = new Set<string>();
  readonly #topics = new KnownTopics();
  readonly #listeners = new TopicListeners();
  readonly #outbox = new PacketOutbox();
  readonly #answers = new DirectAnswers(this.#listeners, this.#outbox);
  readonly #server: Server;
  #aedes: Aedes | undefined;
  #handler: MessageHandler | undefined;
  #framePublishes = 0;
  #clientErrors = 0;
  #quietUntil: NodeJS.Timeout | undefined;
  #paused = false;
  #url = '';

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#server = createServer({ highWaterMark: SOCKET_BUFFER_BYTES, noDelay: true, keepAlive: true }, (socket) =>
      this.#admit(socket),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  get url(): string {
    return this.#url;
  }

  get connected(): boolean {
    return this.#url !== '';
  }

  get framePublishes(): number {
    return this.#framePublishes;
  }

  /** Connections that ended because of what the client sent. */
  get clientErrors(): number {
    return this.#clientErrors;
  }

  onMessage(handler: MessageHandler): void {
    this.#handler = handler;
  }

  /** Listens. Rejects with LedgerError 'broker' in one sentence when the port cannot be had. */
  async start(): Promise<void> {
    const aedes = await Aedes.createBroker({
      mq: this.#listeners,
      connectTimeout: CONNECT_TIMEOUT_MS,
      drainTimeout: DRAIN_TIMEOUT_MS,
      maxInflightInbound: MAX_INBOUND_QOS2,
      preConnect: (_client, packet, done) => {
        packet.clean = true;
        const tooLong = packet.clientId.length > MAX_CLIENT_ID_LENGTH;
        done(tooLong ? new Error(`client id: at most ${MAX_CLIENT_ID_LENGTH} characters`) : null, !tooLong);
      },
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => done(null, this.#authorizeSubscribe(client, subscription)),
      authorizeForward: (client, packet) => this.#authorizeForward(client, packet),
    });
    this.#aedes = aedes;
    aedes.on('subscribe', (subscriptions, client) => this.#answers.subscribed(client, subscriptions));
    aedes.on('unsubscribe', (filters, client) => this.#answers.unsubscribed(client, filters));
    aedes.on('clientError', (client, error) => this.#noteClientError(client, error));
    aedes.on('connectionError', (client, error) => this.#noteClientError(client, error));
    (aedes as NodeJS.EventEmitter).on('error', (error: Error) => this.#log(`broker: ${error.message}`));
    await this.#listen();
  }

  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const aedes = this.#aedes;
    if (aedes === undefined || aedes.closed)
      return Promise.reject(new LedgerError('broker', 'the broker is not running'));
    if (options.retain !== true && this.#answers.send(topic, payload, options.qos)) return HANDED_OVER;
    const packet: PublishPacket = {
      cmd: 'publish',
      topic,
      payload: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
      qos: options.qos,
      retain: options.retain ?? false,
      dup: false,
    };
    return new Promise((resolve, reject) => {
      aedes.publish(packet, (error) => {
        if (error) reject(new LedgerError('broker', `publish on ${topic}: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
  }

  pause(): void {
    this.#paused = true;
    this.#server.close();
  }

  async stop(): Promise<void> {
    this.pause();
    const aedes = this.#aedes;
    if (aedes !== undefined) await new Promise<void>((resolve) => aedes.close(() => resolve()));
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#url = '';
  }

  async #listen(): Promise<void> {
    const { port, bind = '127.0.0.1' } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be had (${error.message})`;
        reject(new LedgerError('broker', `MQTT port ${port} on ${bind} ${why}`, { cause: error }));
      });
      this.#server.listen({ port, host: bind }, () => resolve());
    }).catch(async (error: unknown) => {
      await this.stop();
      throw error;
    });
    this.#server.on('error', (error) => this.#log(`broker: ${error.message}`));
    const address = this.#server.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    const host = bind === '0.0.0.0' || bind === '::' ? '127.0.0.1' : bind;
    this.#url = `mqtt://${host.includes(':') ? `[${host}]` : host}:${actual}`;
  }

  #admit(socket: Socket): void {
    const aedes = this.#aedes;
    if (aedes === undefined || this.#paused) {
      socket.destroy();
      return;
    }
    const underWay = new UnderWay();
    this.#sockets.set(socket, underWay);
    socket.once('close', () => this.#sockets.delete(socket));
    guardSocket(socket, underWay, this.#options.maxPacketBytes ?? MAX_PACKET_BYTES);
    aedes.handle(socket);
  }

  /** Runs before the broker acknowledges: a frame or event is acknowledged when the ledger has kept it. */
  #authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const asked = { topic: packet.topic, bytes: packet.payload.length, qos: packet.qos };
    const decision = decidePublish(asked, this.#topics.parse(packet.topic));
    if (decision.kind === 'refuse') {
      done(new Error(`publish on ${packet.topic.slice(0, 128)} refused: ${decision.reason}`));
      return;
    }
    if (decision.kind === 'relay') {
      packet.retain = packet.retain && decision.mayRetain && this.#mayRetain(packet);
      done();
      return;
    }
    packet.retain = false;
    if (decision.leaf === 'frame') this.#framePublishes += 1;
    const underWay = client === null ? undefined : this.#sockets.get(client.conn);
    underWay?.begin();
    this.#ingest(packet).then(
      () => {
        underWay?.end();
        if (client?.closed) {
          done(new Error('connection closed'));
          return;
        }
        if (client !== null && this.#acknowledge(client, packet)) readOn(client);
        else done();
      },
      (error: unknown) => {
        underWay?.end();
        done(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  /**
   * True: a frame that nobody but the ledger hears has come to its end here. The library would acknowledge it in a turn of its
   * own, and look for listeners.
   */
  #acknowledge(client: Client, packet: PublishPacket): boolean {
    const isHeard = this.#listeners.count(packet.topic) > 0;
    if (isHeard || packet.qos !== 1 || packet.messageId === undefined) return false;
    this.#outbox.acknowledge(client.conn as Socket, packet.messageId);
    return true;
  }

  #ingest(packet: PublishPacket): Promise<void> {
    if (this.#paused || this.#handler === undefined)
      return Promise.reject(new Error('the ledger is not taking frames'));
    const { payload } = packet;
    const bytes = typeof payload === 'string' ? new Uint8Array(Buffer.from(payload)) : new Uint8Array(payload);
    return this.#handler({ topic: packet.topic, payload: bytes }).kept;
  }

  #mayRetain(packet: PublishPacket): boolean {
    if (packet.payload.length === 0) {
      this.#retained.delete(packet.topic);
      return true;
    }
    if (!this.#retained.has(packet.topic) && this.#retained.size >= MAX_RETAINED_TOPICS) return false;
    this.#retained.add(packet.topic);
    return true;
  }

  #authorizeSubscribe(client: Client, subscription: Subscription): Subscription | null {
    const known = (client as Client & { subscriptions?: Record<string, unknown> }).subscriptions ?? {};
    const local = isLoopback((client.conn as Socket).remoteAddress);
    const allowed = maySubscribe({ local, subscriptions: Object.keys(known).length }, subscription.topic);
    return allowed ? subscription : null;
  }

  /** A client that does not read must not fill the broker's slots: it is let go and reads on after it has come back. */
  #authorizeForward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const socket = client.conn as Socket;
    if (socket.writableLength <= MAX_CLIENT_BACKLOG_BYTES) return packet;
    socket.destroy(new Error(`client ${client.id} does not read`));
    return null;
  }

  #noteClientError(client: Client, error: Error): void {
    this.#clientErrors += 1;
    if (this.#quietUntil !== undefined) return;
    this.#quietUntil = setTimeout(() => {
      this.#quietUntil = undefined;
    }, ERROR_LINE_EVERY_MS).unref();
    this.#log(`broker: client ${JSON.stringify((client.id ?? '?').slice(0, 80))}: ${error.message}`);
  }

  #log(line: string): void {
    this.#options.log?.(line);
  }
}
