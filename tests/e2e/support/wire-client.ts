/** An MQTT client of the test's own: publishes, and keeps every answer that comes. */
import {
  type Answer,
  fromHex,
  nobleSha256,
  parseAnswer,
  parseAnswerMessage,
  parseSealed,
  toHex,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import mqtt, { type MqttClient } from 'mqtt';
import type { CoOp } from './co-op.js';
import { nodeVerifier } from './node-keys.js';
import type { SealedFrame } from './sealed-boxes.js';
import { until } from './until.js';

/** Messages on the way at once. */
const WINDOW = 256;

export class WireClient {
  /** By the hash of the message that is answered, the newest last. */
  readonly answers = new Map<string, Answer[]>();
  readonly #client: MqttClient;
  readonly #coOp: CoOp;

  private constructor(client: MqttClient, coOp: CoOp) {
    this.#client = client;
    this.#coOp = coOp;
    client.on('message', (_topic, bytes) => this.#take(bytes));
  }

  static async connect(url: string, coOp: CoOp): Promise<WireClient> {
    const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 100 });
    client.on('error', () => undefined);
    const wire = new WireClient(client, coOp);
    await client.subscribeAsync(`cw/1/${coOp.community}/+/answer`, { qos: 1 });
    return wire;
  }

  /** Publishes with QoS 1, many at once; resolves when the broker has acknowledged all. */
  async publish(frames: readonly Pick<SealedFrame, 'topic' | 'message'>[]): Promise<void> {
    for (let from = 0; from < frames.length; from += WINDOW) {
      const window = frames.slice(from, from + WINDOW);
      await Promise.all(
        window.map(({ topic, message }) => this.#client.publishAsync(topic, Buffer.from(message), { qos: 1 })),
      );
    }
  }

  /** The code of the newest answer to a message, undefined while there is none. */
  codeOf(hash: string): number | undefined {
    return this.answers.get(hash)?.at(-1)?.code;
  }

  /** Waits until every message has an answer. */
  async answered(hashes: readonly string[], withinMs: number): Promise<void> {
    const missing = () => hashes.filter((hash) => !this.answers.has(hash));
    await until(`an answer to each of ${hashes.length} messages`, withinMs, () => missing().length === 0).catch(
      (error: Error) => {
        throw new Error(`${error.message}: ${missing().length} have none`);
      },
    );
  }

  /** Waits for the receipt of each frame and checks its proof against the log's key. */
  async receipts(frames: readonly SealedFrame[], withinMs: number): Promise<void> {
    const missing = () => frames.filter(({ hash }) => this.codeOf(hash) !== 0);
    await until(`a receipt for each of ${frames.length} frames`, withinMs, () => missing().length === 0).catch(
      (error: Error) => {
        const codes = missing().map(({ hash }) => this.codeOf(hash) ?? 'none');
        throw new Error(`${error.message}: newest codes ${codes.slice(0, 10).join(', ')}`);
      },
    );
    for (const { hash, message } of frames) this.#prove(hash, message);
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #prove(hash: string, message: Uint8Array): void {
    const answer = this.answers.get(hash)?.at(-1);
    if (answer === undefined) throw new Error(`no answer to ${hash}`);
    const { origin, logKey } = this.#coOp;
    verifyReceipt({
      answer,
      message,
      origin,
      logKey: fromHex(logKey),
      hasher: nobleSha256,
      verifier: nodeVerifier,
    });
  }

  #take(bytes: Uint8Array): void {
    const opened = parseAnswerMessage(new Uint8Array(bytes));
    const answer = opened.kind === 'signed' ? parseAnswer(parseSealed(opened.bytes).payload) : opened.answer;
    const hash = toHex(answer.messageHash);
    const known = this.answers.get(hash);
    if (known === undefined) this.answers.set(hash, [answer]);
    else known.push(answer);
  }
}
