/** Whoever else is on the wire while frames flow: a neighbour who repeats and bends frames, and hostile callers at both ports. */
import mqtt, { type MqttClient } from 'mqtt';
import { hostileHttp } from '../../ledger-service/test/support/hostile-http.js';
import { hostileMqtt, sendAll } from '../e2e/support/hostile-bytes.js';
import { hostileMqtt as hostilePackets } from '../e2e/support/hostile-mqtt.js';
import { seededBytes } from '../e2e/support/seed.js';
import { pauseMs } from '../e2e/support/until.js';
import type { World } from './world.js';

const REPEAT_EVERY_MS = 50;
const HTTP_REQUESTS = 300;
const MQTT_PACKETS = 1_000;
/** Between two visits. */
const VISIT_EVERY_MS = 20_000;

export class Strangers {
  readonly counts = { repeated: 0, bent: 0, httpRequests: 0, mqttConnections: 0, mqttPackets: 0 };
  failure: Error | undefined;
  readonly #world: World;
  readonly #random: () => number;
  #client: MqttClient | undefined;
  #port: number | undefined;
  #isStopped = false;
  readonly #work: Promise<unknown>;

  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
    this.#work = Promise.all([this.#parrot(), this.#visits()]).catch((error: Error) => {
      this.failure = error;
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#work;
    this.#client?.end(true);
  }

  /** Says again what it heard, as a broker that redelivers would; and says it with some bytes changed. */
  async #parrot(): Promise<void> {
    while (!this.#isStopped) {
      await pauseMs(REPEAT_EVERY_MS);
      const client = this.#connected();
      const heard = this.#pick();
      if (client === undefined || heard === undefined) continue;
      const isBent = this.#random() < 0.3;
      const payload = isBent ? this.#bend(heard.bytes) : Buffer.from(heard.bytes);
      client.publish(heard.topic, payload, { qos: 0 });
      this.counts[isBent ? 'bent' : 'repeated'] += 1;
    }
  }

  /** Goes straight to the broker, past the tap, and follows it to its next port. */
  #connected(): MqttClient | undefined {
    const port = this.#world.tap.brokerPort;
    if (port !== undefined && port !== this.#port) {
      this.#client?.end(true);
      this.#port = port;
      this.#client = mqtt.connect(this.#world.brokerUrl, {
        protocolVersion: 4,
        reconnectPeriod: 200,
        queueQoSZero: false,
      });
      this.#client.on('error', () => undefined);
    }
    return this.#client?.connected === true ? this.#client : undefined;
  }

  #pick() {
    const { frames } = this.#world.recorder;
    // The map keeps the order of arrival: old and new ones are picked alike.
    const at = Math.floor(this.#random() * frames.size);
    let place = 0;
    for (const message of frames.values()) if (place++ === at) return message;
    return undefined;
  }

  #bend(bytes: Uint8Array): Buffer {
    const bent = Buffer.from(bytes);
    const at = Math.floor(this.#random() * bent.length);
    bent[at] = bent[at]! ^ (1 + Math.floor(this.#random() * 255));
    return this.#random() < 0.2 ? Buffer.from(seededBytes(bent.length, this.#random)) : bent;
  }

  async #visits(): Promise<void> {
    for (;;) {
      for (let waitedMs = 0; waitedMs < VISIT_EVERY_MS; waitedMs += REPEAT_EVERY_MS) {
        if (this.#isStopped) return;
        await pauseMs(REPEAT_EVERY_MS);
      }
      await this.visit();
    }
  }

  /** At our own broker: what others let go, and how, is not ours to judge. */
  async #flood(port: number): Promise<void> {
    const { broker, coOp, boxes } = this.#world;
    if (broker !== undefined) return;
    const seed = Math.floor(this.#random() * 2 ** 32);
    const who = { port, community: coOp.community, home: boxes[0]!.home };
    const { failures } = await hostilePackets({ ...who, packets: MQTT_PACKETS, seed });
    this.counts.mqttPackets += MQTT_PACKETS;
    if (failures.length > 0) throw new Error(`hostile MQTT (seed ${seed}): ${failures[0]}`);
  }

  /** Hostile requests at the HTTP port and hostile packets at the broker's, while nobody strikes the two. */
  async visit(): Promise<void> {
    const world = this.#world;
    const calm = async <T>(action: () => Promise<T>) =>
      world.ledger.undisturbed(() => (world.broker === undefined ? action() : world.broker.undisturbed(action)));
    await calm(async () => {
      const port = Number(new URL(world.ledgerUrl).port);
      const seed = Math.floor(this.#random() * 2 ** 32);
      const { community } = world.coOp;
      const { failures } = await hostileHttp({ port, community, requests: HTTP_REQUESTS, seed });
      this.counts.httpRequests += HTTP_REQUESTS;
      if (failures.length > 0) throw new Error(`hostile HTTP (seed ${seed}): ${failures[0]}`);
    });
    await calm(async () => {
      const packets = hostileMqtt(this.#random, { community: world.coOp.community, home: world.boxes[0]!.home });
      this.counts.mqttConnections += packets.length;
      const port = Number(new URL(world.brokerUrl).port);
      await sendAll(port, packets);
      await this.#flood(port);
      const { status } = await fetch(`${world.ledgerUrl}/health`);
      if (status !== 200 && world.broker === undefined) throw new Error(`after hostile MQTT: health says ${status}`);
    });
  }
}
