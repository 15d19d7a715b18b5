/**
 * Answers straight to the connections that asked for them. The broker library would copy each message four times, look up
 * sessions that there are none of, and write it in a turn of its own.
 */
import type { Socket } from 'node:net';
import type { Client, Subscription } from 'aedes';
import { nextPacketId } from './aedes-client.js';
import { type PacketOutbox, publishPacket } from './packet-outbox.js';
import type { TopicListeners } from './topic-listeners.js';

export class DirectAnswers {
  readonly #listeners: TopicListeners;
  readonly #outbox: PacketOutbox;
  /** By topic: the quality of service that each client asked for. Filters with wildcards stand with the library alone. */
  readonly #subscribers = new Map<string, Map<Client, number>>();

  constructor(listeners: TopicListeners, outbox: PacketOutbox) {
    this.#listeners = listeners;
    this.#outbox = outbox;
  }

  subscribed(client: Client, subscriptions: readonly Subscription[]): void {
    for (const { topic, qos } of subscriptions) {
      if (client.closed) continue;
      const known = this.#subscribers.get(topic);
      if (known === undefined) this.#subscribers.set(topic, new Map([[client, qos]]));
      else known.set(client, qos);
    }
  }

  unsubscribed(client: Client, filters: readonly string[]): void {
    for (const filter of filters) {
      const known = this.#subscribers.get(filter);
      known?.delete(client);
      if (known?.size === 0) this.#subscribers.delete(filter);
    }
  }

  /**
   * False, with nothing done, unless every listener of the topic is a client whose connection is known here and has taken all
   * that it got before: for one that has not, the library waits, or lets it go.
   */
  send(topic: string, payload: Uint8Array, qos: 0 | 1): boolean {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined || subscribers.size !== this.#listeners.count(topic)) return false;
    for (const { conn } of subscribers.keys()) if ((conn as Socket).writableLength > 0) return false;
    for (const [client, granted] of subscribers) {
      const packetId = Math.min(qos, granted) === 1 ? nextPacketId(client) : undefined;
      this.#outbox.add(client.conn as Socket, publishPacket(topic, payload, packetId));
    }
    return true;
  }
}
