/** A box that seals by the public functions of firmware-protocol and speaks MQTT itself, well or badly. */
import {
  type Answer,
  encodeFramePayload,
  encodeGapRequest,
  externalData,
  type FramePayload,
  fromHex,
  keyId,
  nobleSha256,
  nobleVerifier,
  parseAnswerMessage,
  parseSignedAnswer,
  REQUEST_SEALS,
  type SealedKind,
  type Signer,
  sealMessage,
  toHex,
  topics,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import mqtt, { type MqttClient } from 'mqtt';
import { COMMUNITY, type EnrolledHome, ORIGIN, type ServedLedger } from './served-ledger.js';

const START_S = 1_760_000_400;
const PATIENCE_MS = 10_000;

/** How a message is sealed differently than it should be. */
export interface Bend {
  readonly signer?: Signer;
  readonly origin?: string;
}

export class SealingBox {
  readonly kid: Uint8Array;
  readonly #home: EnrolledHome;
  readonly #client: MqttClient;
  readonly #topics: ReturnType<typeof topics>;
  readonly #answers = new Map<string, Uint8Array>();
  #wake: () => void = () => {};

  private constructor(home: EnrolledHome, client: MqttClient) {
    this.#home = home;
    this.#client = client;
    this.#topics = topics(COMMUNITY, home.home);
    this.kid = keyId(nobleSha256, home.signer.publicKey);
    client.on('message', (_topic, bytes) => {
      this.#answers.set(toHex(this.#open(bytes).messageHash), bytes);
      this.#wake();
    });
  }

  /** Enrols a home and connects in its place. */
  static async connect(ledger: ServedLedger): Promise<SealingBox> {
    const home = await ledger.enrol();
    const client = await mqtt.connectAsync(ledger.mqtt, { protocolVersion: 4, reconnectPeriod: 0 });
    const box = new SealingBox(home, client);
    await client.subscribeAsync(box.#topics.answer, { qos: 1 });
    return box;
  }

  async disconnect(): Promise<void> {
    await this.#client.endAsync(true);
  }

  /** What frame 1 has to name. */
  get opening(): Uint8Array {
    return fromHex(String(this.#home.config.first_previous));
  }

  /** Frame `number` of epoch 1 with one reading, on that hash. */
  frame(number: number, previous: Uint8Array, changes: Partial<FramePayload> = {}): Uint8Array {
    const counter = { meterIndex: 0, quantity: 1, status: 0, first: BigInt(number) * 1_000n, deltas: [] } as const;
    const payload = {
      epoch: 1,
      number,
      previous,
      startS: START_S + 900 * number,
      step: [],
      clock: { source: 2, errorMs: 20, ageS: 60 },
      mono: { boot: 1, uptimeMs: number },
      channels: [counter],
      ...changes,
    };
    return this.seal(encodeFramePayload(payload), 'meter-frame/v1');
  }

  seal(payload: Uint8Array, kind: SealedKind, { signer = this.#home.signer, origin = ORIGIN }: Bend = {}): Uint8Array {
    return sealMessage({
      payload,
      externalData: externalData(origin, kind),
      kid: keyId(nobleSha256, signer.publicKey),
      signer,
    });
  }

  /** Declares one number lost; gives the code of the answer. */
  async declareLost(number: number, expectedPrevious: Uint8Array, nextPrevious: Uint8Array): Promise<number> {
    const gap = { kid: this.kid, epoch: 1, first: number, last: number, expectedPrevious, nextPrevious };
    return this.#ask(this.#topics.event, this.seal(encodeGapRequest(gap), REQUEST_SEALS[7]));
  }

  /** Publishes bytes as a frame; gives the code of the answer, whose proof or signature must hold. */
  async send(message: Uint8Array): Promise<number> {
    return this.#ask(this.#topics.frame, message);
  }

  async #ask(topic: string, message: Uint8Array): Promise<number> {
    const name = toHex(hashOf(message));
    this.#answers.delete(name);
    await this.#client.publishAsync(topic, Buffer.from(message), { qos: 1 });
    const answer = this.#open(await this.#answerTo(name));
    if (topic === this.#topics.frame && answer.code === 0) verifyReceipt({ ...this.#trust(), answer, message });
    return answer.code;
  }

  async #answerTo(name: string): Promise<Uint8Array> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = this.#answers.get(name);
      if (answer !== undefined) return answer;
      if (Date.now() > deadline) throw new Error(`no answer to ${name} within ${PATIENCE_MS} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #open(bytes: Uint8Array): Answer {
    const opened = parseAnswerMessage(bytes);
    return opened.kind === 'signed' ? parseSignedAnswer({ ...this.#trust(), bytes }) : opened.answer;
  }

  #trust() {
    const { log_key, answer_key } = this.#home.config;
    return {
      origin: ORIGIN,
      logKey: fromHex(String(log_key)),
      answerKey: fromHex(String(answer_key)),
      hasher: nobleSha256,
      verifier: nobleVerifier,
    };
  }
}

/** The hash under which a message is answered, and which the next frame names. */
export function hashOf(message: Uint8Array): Uint8Array {
  return nobleSha256.sha256(message);
}
