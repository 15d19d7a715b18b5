/** What the pump tells of its work, for figures and for the log. */
import { parseAnswer, parseSealed, type Verdict, verdictName } from '@commonwatt/firmware-protocol';
import type { PumpAnswer, PumpResult } from './pump-ledger.js';

/** An answer that is no receipt: a refusal, or a gap that the frame waits behind. */
export interface Refusal {
  readonly gateway: string;
  readonly verdict: Verdict;
}

/** Frames of one community that were decided in one commit. */
export interface DecidedFrames {
  readonly community: string;
  /** Messages that came in. */
  readonly frames: number;
  /** Decision and commit, real milliseconds. */
  readonly tookMs: number;
  /** Frames that entered the log, those that had waited included. */
  readonly accepted: number;
  readonly duplicate: number;
  readonly refusals: readonly Refusal[];
}

/** Requests and counter events: a grant, or a refusal. */
export interface DecidedEvent {
  readonly community: string;
  readonly refusals: readonly Refusal[];
}

export interface DroppedMessage {
  readonly community: string;
  readonly gateway: string;
  readonly kind: 'frame' | 'event';
  readonly error: Error;
}

/** Called after the commit and the answers, never before. Must not throw: what is decided is decided. */
export interface PumpObserver {
  framesDecided(decided: DecidedFrames): void;
  eventDecided(decided: DecidedEvent): void;
  /** Our own code failed on it. */
  messageDropped(dropped: DroppedMessage): void;
}

export function decidedFrames(
  community: string,
  { answers, accepted, duplicate, refused, parked }: PumpResult,
  batch: { readonly frames: number; readonly tookMs: number },
): DecidedFrames {
  // Receipts are many and long, refusals few: only where there are any the answers are looked at.
  const refusals = refused + parked > 0 ? refusalsIn(answers) : [];
  return { community, ...batch, accepted, duplicate, refusals };
}

/** The first byte of a signed answer (PROTOCOL 5.2): a receipt or a grant proves itself and is not signed. */
const SEALED_TAG = 0xd2;

/** Our own answers, so their signatures are not checked. */
export function refusalsIn(answers: readonly PumpAnswer[]): Refusal[] {
  return answers.flatMap(({ gateway, bytes }) => {
    if (bytes[0] !== SEALED_TAG) return [];
    const verdict = verdictName(parseAnswer(parseSealed(bytes).payload).code);
    return verdict === undefined ? [] : [{ gateway, verdict }];
  });
}
