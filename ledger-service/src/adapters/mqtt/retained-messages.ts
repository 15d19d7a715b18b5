import mqtt, { type MqttClient } from 'mqtt';
import { LedgerError } from '../../core/errors.js';
import { safeUrl } from './broker-client.js';

/** For the connection, and for the subscriptions. */
const PATIENCE_MS = 3_000;
/** What is retained comes right behind the broker's word on the subscription. */
const LINGER_MS = 300;

/**
 * What a broker outside keeps on these topics; nothing for a topic on which it keeps nothing. Over a connection of its own,
 * before anything is published. Untrusted. Rejects with LedgerError 'broker' when the broker cannot be asked.
 */
export async function readRetained(url: string, topics: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  if (topics.length === 0) return found;
  let client: MqttClient | undefined;
  try {
    const options = { protocolVersion: 4, connectTimeout: PATIENCE_MS, reconnectPeriod: 0, clean: true } as const;
    client = await mqtt.connectAsync(url, options, false);
    // A connection that breaks brings no more messages: the time-out tells.
    client.on('error', () => undefined);
    const all = new Promise<void>((resolve) => {
      client?.on('message', (topic, payload, { retain }) => {
        if (retain && topics.includes(topic)) found.set(topic, new Uint8Array(payload));
        if (found.size === topics.length) resolve();
      });
    });
    await within(PATIENCE_MS, client.subscribeAsync([...topics], { qos: 1 }));
    await within(LINGER_MS, all);
    return found;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError('broker', `no MQTT broker at ${safeUrl(url)}: ${why}`, { cause });
  } finally {
    await client?.endAsync(true);
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, over]);
  clearTimeout(timer);
}
