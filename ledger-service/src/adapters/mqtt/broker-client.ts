import { Socket } from 'node:net';
import { parseTopic, subscription } from '@commonwatt/firmware-protocol';
import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt';
import { LedgerError } from '../../core/errors.js';
import { type Intake, type MessageBus, type MessageHandler, type PublishOptions, TAKEN } from './message-bus.js';
import { MAX_PACKET_BYTES } from './packet-guard.js';

const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_MS = 1_000;
const KEEPALIVE_S = 30;
/** Acknowledgements owed to the broker at once; MQTT 3.1.1 has 65,535 packet identifiers. */
const MAX_OWED = 65_535;

export interface BrokerClientOptions {
  readonly url: string;
  /** The same after every start: the broker keeps what comes while the ledger is away under this name. */
  readonly clientId: string;
  /** True: the broker forgets this client when it leaves. */
  readonly clean?: boolean;
  readonly log?: (line: string) => void;
}

interface OwedAck {
  readonly messageId: number;
  readonly stream: MqttClient['stream'];
  state: 'waiting' | 'kept' | 'lost';
}

/**
 * The ledger as a client of a broker outside. Frames are taken in with QoS 1 in a session that outlives the process, and
 * are acknowledged one by one, in the order they came (MQTT 4.6), when the ledger has them durably: what was not kept
 * comes again with the next connection.
 */
export class BrokerClient implements MessageBus {
  readonly waitsForRoom = true;
  readonly #options: BrokerClientOptions;
  readonly #owed: OwedAck[] = [];
  #client: MqttClient | undefined;
  #handler: MessageHandler | undefined;
  #framePublishes = 0;
  #paused = false;
  #lastProblem = '';

  constructor(options: BrokerClientOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#options.url;
  }

  get connected(): boolean {
    return this.#client?.connected ?? false;
  }

  get framePublishes(): number {
    return this.#framePublishes;
  }

  onMessage(handler: MessageHandler): void {
    this.#handler = handler;
  }

  /**
   * Connects and subscribes, and keeps trying for good. Resolves when the subscriptions stand; rejects with LedgerError
   * 'broker' when the first connection does not come within the time, or 'config' for a URL that is none.
   */
  async start(waitMs = CONNECT_TIMEOUT_MS): Promise<void> {
    const client = this.#connect();
    this.#client = client;
    client.on('error', (error) => this.#note(error.message));
    client.on('close', () => this.#note('connection lost'));
    client.handleMessage = (packet, next) => this.#take(packet as IPublishPacket, next);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#unreachable()), waitMs);
      client.on('connect', () => {
        this.#lastProblem = '';
        sendAtOnce(client.stream);
        this.#subscribe(client).then(
          () => {
            clearTimeout(timer);
            resolve();
          },
          (error: unknown) => this.#note(error instanceof Error ? error.message : String(error)),
        );
      });
    });
  }

  async publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void> {
    const client = this.#client;
    if (client === undefined || !client.connected) {
      throw new LedgerError('broker', `publish on ${topic}: no connection to ${safeUrl(this.url)}`);
    }
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    await client.publishAsync(topic, bytes, { qos: options.qos, retain: options.retain ?? false });
  }

  pause(): void {
    this.#paused = true;
  }

  async stop(): Promise<void> {
    this.#paused = true;
    await this.#client?.endAsync(true);
  }

  #connect(): MqttClient {
    const { url, clientId, clean = false } = this.#options;
    try {
      return mqtt.connect(url, {
        clientId,
        clean,
        protocolVersion: 4,
        keepalive: KEEPALIVE_S,
        connectTimeout: CONNECT_TIMEOUT_MS,
        reconnectPeriod: RECONNECT_MS,
        resubscribe: false,
        queueQoSZero: false,
      });
    } catch (error) {
      throw new LedgerError('config', `--mqtt: expected a URL like mqtt://host:1883, got ${safeUrl(url)}`, {
        cause: error,
      });
    }
  }

  async #subscribe(client: MqttClient): Promise<void> {
    const granted = await client.subscribeAsync([subscription('frame'), subscription('event')], { qos: 1 });
    const refused = granted.find(({ qos }) => qos > 2);
    if (refused !== undefined) throw new LedgerError('broker', `the broker refuses the subscription ${refused.topic}`);
    this.#options.log?.(`broker: connected to ${safeUrl(this.url)}`);
  }

  /**
   * Untrusted. The library acknowledges by itself when `next` is called without an error; with one it only goes on, and the
   * acknowledgement stays with us until the message is kept.
   */
  #take(packet: IPublishPacket, next: (error?: Error) => void): void {
    const client = this.#client;
    if (client === undefined || this.#handler === undefined || this.#paused) {
      next(new Error('not taking messages'));
      return;
    }
    if (parseTopic(packet.topic)?.leaf === 'frame') this.#framePublishes += 1;
    // A broker outside lets any size pass; what the embedded one shows out finds no place in the queue here either.
    const isTooLong = packet.payload.length > MAX_PACKET_BYTES;
    const message = { topic: packet.topic, payload: new Uint8Array(packet.payload as Buffer) };
    const intake = isTooLong ? TAKEN : this.#handler(message);
    this.#owe(packet, client, intake);
    const goOn = () => next(new Error('acknowledged later'));
    intake.room.then(goOn, goOn);
  }

  #owe(packet: IPublishPacket, client: MqttClient, intake: Intake): void {
    if (packet.qos !== 1 || packet.messageId === undefined || this.#owed.length >= MAX_OWED) {
      // Nothing is owed for it, so nobody has to be told that it was not kept.
      intake.kept.catch(() => undefined);
      return;
    }
    const owed: OwedAck = { messageId: packet.messageId, stream: client.stream, state: 'waiting' };
    this.#owed.push(owed);
    const settle = (state: 'kept' | 'lost') => {
      owed.state = state;
      this.#acknowledge();
    };
    intake.kept.then(
      () => settle('kept'),
      () => settle('lost'),
    );
  }

  /** Sends what is due from the front. One that was not kept is passed over: the broker repeats it. */
  #acknowledge(): void {
    let next = this.#owed[0];
    while (next !== undefined && next.state !== 'waiting') {
      this.#owed.shift();
      const { messageId, stream } = next;
      if (next.state === 'kept' && stream === this.#client?.stream && this.connected) {
        stream.write(Buffer.of(0x40, 0x02, messageId >> 8, messageId & 0xff));
      }
      next = this.#owed[0];
    }
  }

  #unreachable(): LedgerError {
    const why = this.#lastProblem === '' ? 'no answer' : this.#lastProblem;
    return new LedgerError('broker', `no MQTT broker at ${safeUrl(this.url)}: ${why}`);
  }

  #note(problem: string): void {
    if (problem === '' || problem === this.#lastProblem || this.#paused) return;
    if (this.#lastProblem !== '' && problem === 'connection lost') return;
    this.#lastProblem = problem;
    this.#options.log?.(`broker: ${safeUrl(this.url)}: ${problem}, trying again`);
  }
}

/** An acknowledgement is small: held back to be sent with more, it would hold up the next frame for 40 ms. */
export function sendAtOnce(stream: object): void {
  if (stream instanceof Socket) stream.setNoDelay(true);
}

/** The URL without a password in it. */
export function safeUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@');
}
