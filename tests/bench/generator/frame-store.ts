/** The frames of all homes, sealed before anything is measured, and the check of the receipts afterwards. */
import { createHash } from 'node:crypto';
import { fromHex, parseAnswerMessage, topics, type Verifier, verifyReceipt } from '@commonwatt/firmware-protocol';
import { nodeHasher, nodeVerifier } from '@commonwatt/ledger-service/dist/adapters/system/node-crypto.js';
import { SealingBox } from '../support/sealing-box.js';
import { StreetMeter } from '../support/street-meters.js';
import type { CheckDone, GeneratorPlan } from './messages.js';
import { publishPacket } from './mqtt-packets.js';

export interface SealedHome {
  readonly home: string;
  readonly answerTopic: string;
  readonly messages: readonly Uint8Array[];
  readonly packets: readonly Buffer[];
}

/** Packet identifiers 1 to 60,000, over and over. */
const PACKET_IDS = 60_000;

export function sealAll(plan: GeneratorPlan): readonly SealedHome[] {
  const hasher = nodeHasher();
  return plan.homes.map(({ home, seed, firstPrevious }, at) => {
    const box = new SealingBox({ origin: plan.origin, home, seed: fromHex(seed), hasher });
    box.begin(fromHex(firstPrevious));
    const meter = new StreetMeter(at);
    const { frame, answer } = topics(plan.community, home);
    const { stepS, instants, quantities } = plan;
    const messages = Array.from({ length: plan.framesAHome }, (_, n) =>
      box.next(meter.frame({ startS: plan.startS + n * instants * stepS, stepS, instants, quantities })),
    );
    const packets = messages.map((message, n) => publishPacket(1 + (n % PACKET_IDS), frame, message));
    return { home, answerTopic: answer, messages, packets };
  });
}

/** Checks the proof of every receipt: one for each frame that was sent. Throws at the first that does not hold. */
export function checkReceipts(
  plan: GeneratorPlan,
  homes: readonly { readonly sealed: SealedHome; readonly sent: number; readonly answers: readonly Buffer[] }[],
): CheckDone {
  const hasher = nodeHasher();
  const verdicts = new RememberedVerdicts(nodeVerifier());
  const logKey = fromHex(plan.logKey);
  let receipts = 0;
  let bytes = 0;
  for (const { sealed, sent, answers } of homes) {
    const waiting = new Map(sealed.messages.slice(0, sent).map((message) => [hashOf(message), message]));
    for (const answerBytes of answers) {
      const opened = parseAnswerMessage(new Uint8Array(answerBytes));
      if (opened.kind !== 'receipt') throw new Error(`home ${sealed.home}: expected a receipt, got ${opened.kind}`);
      const name = Buffer.from(opened.answer.messageHash).toString('hex');
      const message = waiting.get(name);
      if (message === undefined)
        throw new Error(`home ${sealed.home}: a receipt for a frame that does not wait for one`);
      waiting.delete(name);
      verifyReceipt({ answer: opened.answer, message, origin: plan.origin, logKey, hasher, verifier: verdicts });
      receipts += 1;
      bytes += answerBytes.length;
    }
    if (waiting.size > 0) throw new Error(`home ${sealed.home}: ${waiting.size} frames without a receipt`);
  }
  return { receipts, bytes, checkpoints: verdicts.size };
}

function hashOf(message: Uint8Array): string {
  return createHash('sha256').update(message).digest('hex');
}

/** Hundreds of receipts carry the same signed checkpoint: it is verified once. */
class RememberedVerdicts implements Verifier {
  readonly #verifier: Verifier;
  readonly #known = new Map<string, boolean>();

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
  }

  get size(): number {
    return this.#known.size;
  }

  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    const name = Buffer.concat([publicKey, message, signature]).toString('latin1');
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const verdict = this.#verifier.verify(publicKey, message, signature);
    this.#known.set(name, verdict);
    return verdict;
  }
}
