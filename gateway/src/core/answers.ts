import {
  type Answer,
  bytesEqual,
  type Hasher,
  parseAnswerMessage,
  parseSignedAnswer,
  type Verifier,
  verifyGrant,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import { leafHash } from '@commonwatt/firmware-protocol/log';
import { GatewayError, reasonOf } from '../errors.js';
import type { SignedMessage } from './journal.js';

/** What the box needs to judge an answer: the keys it was enrolled with, and what it has sent. */
export interface AnswerContext {
  readonly origin: string;
  readonly logKey: Uint8Array;
  readonly answerKey: Uint8Array;
  readonly hasher: Hasher;
  readonly verifier: Verifier;
  /** The message on the way with that hash. */
  readonly find: (hash: Uint8Array) => SignedMessage | undefined;
  readonly heads: LogHeads;
}

/** What an answer may hint about the sequence. Not proved where the answer is a receipt. */
export interface SequenceHint {
  readonly next?: number;
  readonly openEpoch?: number;
}

export type AnswerVerdict =
  /** Garbage, a forgery (both with their `failure`), or an answer to something else: it changes nothing. */
  | { readonly kind: 'ignored'; readonly reason: string; readonly failure?: GatewayError }
  /** The frame is in the log: proved. */
  | {
      readonly kind: 'receipt';
      readonly item: SignedMessage;
      readonly receivedS: number;
      readonly head: LogHead;
      readonly hint: SequenceHint;
    }
  /** The request is in the log: proved. `leafHash` is that of its entry. */
  | {
      readonly kind: 'grant';
      readonly item: SignedMessage;
      readonly leafHash: Uint8Array;
      readonly epoch?: number;
      readonly head: LogHead;
      readonly hint: SequenceHint;
    }
  /** Signed by the answer key. `code` is one of VERDICT, never 0. */
  | { readonly kind: 'refusal'; readonly item: SignedMessage; readonly code: number; readonly hint: SequenceHint }
  /** Proved against a head that contradicts one proved before: the log has forked. */
  | { readonly kind: 'contradiction'; readonly size: number };

export interface LogHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Untrusted: an answer as the broker brought it. Never throws. */
export function judgeAnswer(bytes: Uint8Array, context: AnswerContext): AnswerVerdict {
  try {
    const parsed = parseAnswerMessage(bytes);
    if (parsed.kind === 'signed') return judgeRefusal(parseSignedAnswer({ ...context, bytes }), context);
    const item = context.find(parsed.answer.messageHash);
    if (item === undefined) return { kind: 'ignored', reason: 'an answer to a message that is not on the way' };
    return judgeProof(parsed.answer, item, context);
  } catch (cause) {
    const reason = reasonOf(cause);
    const failure = new GatewayError('bad-answer', `an answer of the ledger cannot be used: ${reason}`, { cause });
    return { kind: 'ignored', reason, failure };
  }
}

function judgeRefusal(answer: Answer, { find }: AnswerContext): AnswerVerdict {
  const item = find(answer.messageHash);
  if (item === undefined) return { kind: 'ignored', reason: 'a refusal of a message that is not on the way' };
  return { kind: 'refusal', item, code: answer.code, hint: hintOf(answer) };
}

function judgeProof(answer: Answer, item: SignedMessage, context: AnswerContext): AnswerVerdict {
  const check = { ...context, answer, message: item.message };
  const isFrame = item.kind === 'frame';
  const { checkpoint: head } = isFrame ? verifyReceipt(check) : verifyGrant(check);
  if (!context.heads.remember(head)) return { kind: 'contradiction', size: head.size };
  const proved = { item, head, hint: hintOf(answer) };
  if (isFrame) return { kind: 'receipt', ...proved, receivedS: answer.receivedS! };
  const hash = leafHash(context.hasher, answer.leafData!);
  return { kind: 'grant', ...proved, leafHash: hash, ...(answer.epoch !== undefined && { epoch: answer.epoch }) };
}

function hintOf({ next, openEpoch }: Answer): SequenceHint {
  return { ...(next !== undefined && { next }), ...(openEpoch !== undefined && { openEpoch }) };
}

/** Heads that are remembered: more than come between an answer and its latest repeat. */
const MAX_HEADS = 512;

/**
 * The heads that this box has seen proved. Answers come in any order, so a smaller size than the newest is no fault; two
 * roots for one size are.
 */
export class LogHeads {
  readonly #roots = new Map<number, Uint8Array>();
  #newest: LogHead | undefined;

  constructor(newest?: LogHead) {
    if (newest !== undefined) this.remember(newest);
  }

  get newest(): LogHead | undefined {
    return this.#newest;
  }

  /** False when another root is known for this size. */
  remember(head: LogHead): boolean {
    const known = this.#roots.get(head.size);
    if (known !== undefined) return bytesEqual(known, head.root);
    if (this.#roots.size >= MAX_HEADS) this.#roots.delete(this.#roots.keys().next().value!);
    this.#roots.set(head.size, head.root);
    if (this.#newest === undefined || head.size > this.#newest.size) this.#newest = head;
    return true;
  }
}
