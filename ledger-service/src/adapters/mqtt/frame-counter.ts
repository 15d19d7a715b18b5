import { subscription } from '@commonwatt/firmware-protocol';
import mqtt, { type MqttClient } from 'mqtt';
import { LedgerError } from '../../core/errors.js';
import { safeUrl, sendAtOnce } from './broker-client.js';

const CONNECT_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** A subscriber of its own that counts what one community publishes on `.../frame`, seen from the broker's far side. */
export class FrameCounter {
  readonly #client: MqttClient;
  #count = 0;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (_topic, _payload, packet) => {
      if (!packet.dup) this.#count += 1;
    });
  }

  /** Rejects with LedgerError 'broker' when the broker cannot be reached. */
  static async open(url: string, community: string): Promise<FrameCounter> {
    try {
      const options = { protocolVersion: 4, connectTimeout: CONNECT_TIMEOUT_MS, reconnectPeriod: 0 } as const;
      const client = await mqtt.connectAsync(url, options, false);
      // A connection that breaks counts no further: `settle` tells what was seen.
      client.on('error', () => undefined);
      sendAtOnce(client.stream);
      const counter = new FrameCounter(client);
      await client.subscribeAsync(subscription('frame', community), { qos: 1 });
      return counter;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new LedgerError('broker', `no MQTT broker at ${safeUrl(url)}: ${why}`, { cause: error });
    }
  }

  get count(): number {
    return this.#count;
  }

  /** Waits until `expected` messages have been seen, or the time is up. */
  async settle(expected: number, waitMs: number): Promise<number> {
    for (let waited = 0; this.#count < expected && waited < waitMs; waited += POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return this.#count;
  }

  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }
}
