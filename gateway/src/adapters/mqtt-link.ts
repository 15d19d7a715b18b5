import { Socket } from 'node:net';
import mqtt, { type IClientPublishOptions, type MqttClient, type Packet, Store } from 'mqtt';
import type { BrokerEvents, BrokerLink, OutMessage } from '../core/broker-link.js';
import type { Cancel, Timers } from '../core/clock.js';
import { reasonOf } from '../errors.js';

/** Real milliseconds between two attempts to connect. */
const RECONNECT_MS = 1000;
/** A connection that ended sooner was taken away: the pause before the next is doubled each time, up to the longest. */
const STEADY_MS = 10_000;
const LONGEST_RECONNECT_MS = 16_000;
/** So many in a row are no accident. */
const SUSPICIOUS_ENDS = 3;
/** A ledger on a slow disk answers late: whoever hangs up meanwhile never gets in. */
const CONNECT_TIMEOUT_MS = 30_000;
/** Seconds of silence after which the broker is asked whether it is still there. */
const KEEPALIVE_S = 30;
/** Messages without the broker's acknowledgement: with so many it is not alive, whatever its socket says. */
const MAX_UNACKNOWLEDGED = 4096;
/** Real milliseconds for the last word and an orderly end. */
const STOP_TIMEOUT_MS = 1000;

export interface MqttLinkOptions {
  readonly url: string;
  readonly clientId: string;
  readonly login: { readonly username?: string; readonly password?: string };
  readonly answerTopic: string;
  readonly frameTopic: string;
  /** What the broker says for the box when it is gone. */
  readonly will: OutMessage;
  readonly timers: Timers;
}

/**
 * Keeps nothing. The client would repeat from its store what the broker did not acknowledge; here only the outbox
 * repeats, and counts what it repeats.
 */
class ForgetfulStore extends Store {
  override put(_packet: Packet, done?: () => void): this {
    done?.();
    return this;
  }

  override del(packet: Pick<Packet, 'messageId'>, done: (error?: Error, packet?: Packet) => void): this {
    done(undefined, packet as Packet);
    return this;
  }
}

const CLOSED = 'the broker closed the connection';
const TAKEN_OVER = 'the broker closes the connection again and again: another client may use the name of this box';

/**
 * Two clients under one name throw each other out for as long as both come back. This one comes back more and more
 * seldom; a broker that is merely away is tried at the same short pause.
 */
class ReconnectPace {
  readonly #client: MqttClient;
  readonly #timers: Timers;
  #shortLived = 0;
  #isConnected = false;
  #cancel: Cancel | undefined;

  constructor(client: MqttClient, timers: Timers) {
    this.#client = client;
    this.#timers = timers;
  }

  get isSuspicious(): boolean {
    return this.#shortLived >= SUSPICIOUS_ENDS;
  }

  /** The client reads its pause at the moment of the close: it is set before. */
  connected(): void {
    this.#isConnected = true;
    this.#client.options.reconnectPeriod = Math.min(RECONNECT_MS * 2 ** this.#shortLived, LONGEST_RECONNECT_MS);
    this.#cancel = this.#timers.after(STEADY_MS, () => this.#reset());
  }

  closed(): void {
    this.#cancel?.();
    const wasAway = !this.#isConnected;
    if (wasAway || this.#cancel === undefined) this.#reset();
    else this.#shortLived = Math.min(this.#shortLived + 1, 16);
    this.#isConnected = false;
    this.#cancel = undefined;
  }

  #reset(): void {
    this.#cancel = undefined;
    this.#shortLived = 0;
    this.#client.options.reconnectPeriod = RECONNECT_MS;
  }
}

/** MQTT 3.1.1 with a session that outlives the connection, over mqtt.js. */
export class MqttLink implements BrokerLink {
  readonly #options: MqttLinkOptions;
  #client: MqttClient | undefined;
  #isReady = false;
  #framesPublished = 0;
  #unacknowledged = 0;

  constructor(options: MqttLinkOptions) {
    this.#options = options;
  }

  get framesPublished(): number {
    return this.#framesPublished;
  }

  start(events: BrokerEvents): void {
    const { url, clientId, login, will, answerTopic } = this.#options;
    const client = mqtt.connect(url, {
      ...login,
      protocolVersion: 4,
      clean: false,
      clientId,
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: RECONNECT_MS,
      resubscribe: false,
      queueQoSZero: false,
      outgoingStore: new ForgetfulStore(),
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos: will.qos, retain: will.retain ?? false },
    });
    this.#client = client;
    let reason = CLOSED;
    const pace = new ReconnectPace(client, this.#options.timers);
    client.on('connect', () => {
      pace.connected();
      // An acknowledgement held back by Nagle's algorithm would hold back the next frame for 40 ms.
      if (client.stream instanceof Socket) client.stream.setNoDelay(true);
      client.subscribe(answerTopic, { qos: 1 }, (error) => {
        if (!client.connected) return;
        if (error) {
          reason = `the broker refuses ${answerTopic}: ${reasonOf(error)}`;
          client.stream.destroy();
          return;
        }
        reason = CLOSED;
        this.#isReady = true;
        events.onReady();
      });
    });
    client.on('message', (topic, payload) => events.onMessage(topic, payload));
    client.on('packetsend', (packet) => {
      if (packet.cmd === 'publish' && packet.topic === this.#options.frameTopic) this.#framesPublished++;
    });
    // Without a listener an unreachable broker would end the process.
    client.on('error', (error) => {
      reason = `the broker cannot be reached: ${reasonOf(error)}`;
    });
    client.on('close', () => {
      forgetUnacknowledged(client);
      this.#isReady = false;
      this.#unacknowledged = 0;
      pace.closed();
      events.onLost(pace.isSuspicious && reason === CLOSED ? TAKEN_OVER : reason);
    });
  }

  publish({ topic, payload, qos, retain = false }: OutMessage): boolean {
    const client = this.#client;
    if (client === undefined || !this.#isReady || !client.connected) return false;
    const options: IClientPublishOptions = { qos, retain };
    if (this.#unacknowledged >= MAX_UNACKNOWLEDGED) {
      client.stream.destroy();
      return false;
    }
    this.#unacknowledged++;
    client.publish(topic, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength), options, () => {
      this.#unacknowledged = Math.max(0, this.#unacknowledged - 1);
    });
    return true;
  }

  async stop(lastWord?: OutMessage): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    const canSay = lastWord !== undefined && this.#isReady && client.connected;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.timers.after(STOP_TIMEOUT_MS, () => {
        client.end(true);
        // An end that has begun already is not begun again.
        client.stream.destroy();
        resolve();
      });
      const done = () => {
        cancel();
        resolve();
      };
      const end = () => {
        forgetUnacknowledged(client);
        client.end(false, {}, done);
      };
      if (!canSay) {
        client.end(true, {}, done);
        return;
      }
      const { topic, payload, qos, retain = false } = lastWord;
      client.publish(topic, Buffer.from(payload), { qos, retain }, end);
    });
    this.#isReady = false;
  }
}

/** The client waits with its end for what is not acknowledged, and after a lost connection nobody ever will. */
function forgetUnacknowledged(client: MqttClient): void {
  for (const id of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(id));
}
