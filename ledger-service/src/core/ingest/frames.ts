/** Decides on frames in the order of PROTOCOL 5.1, appends the accepted ones and folds them. */
import {
  type Answer,
  decideSequence,
  type FramePayload,
  fromHex,
  nextParked,
  parseFramePayload,
  parseSealed,
  VERDICT,
  type Verdict,
  type Verifier,
} from '@commonwatt/firmware-protocol';
import { KIND, SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import { COMMUNITY_KEY, type Decision, type ParkedMessage } from '../decision.js';
import { foldFork, foldFrame, withGapAt, withParked } from '../fold/frames.js';
import { sameFrame } from '../frame-chunks.js';
import { rowsOfFrame } from '../needs.js';
import { encodeEvidenceContent } from '../records/index.js';
import type { DeviceRow } from '../rows.js';
import { intervalSettings } from '../settings.js';
import type { RowRef } from '../working-set.js';
import type { AnswerDraft } from './answer-draft.js';
import { signedAs } from './device-signature.js';
import { acceptedIndex } from './frame-rows.js';
import type { PreparedMessage } from './prepared-message.js';

/** A frame whose signature and payload hold, from the broker or from where it was parked. */
interface CheckedFrame {
  readonly kid: string;
  readonly kidBytes: Uint8Array;
  readonly device: DeviceRow;
  readonly message: Uint8Array;
  readonly hash: Uint8Array;
  readonly payload: FramePayload;
  readonly receivedS: number;
}

/** Answers for one frame: its own, and those of parked frames whose turn came with it. */
export function decideFrame(decision: Decision, verifier: Verifier, incoming: PreparedMessage): readonly AnswerDraft[] {
  const { sealed } = incoming;
  if (sealed === undefined) return [refuse(incoming, 'malformed')];
  const { kid } = incoming;
  const device = decision.rows.get('device', kid);
  if (device === undefined) return [refuse(incoming, 'unknown-key', { kid: sealed.kid })];
  const known = knownFrame(decision, kid, device, incoming);
  if (known !== undefined) return [known];
  const home = { kid: sealed.kid, gateway: device.home };
  if (device.revokedIndex !== undefined) return [refuse(incoming, 'inactive-key', home)];
  const signed = signedAs(device, decision.communityRow().genesis, 'meter-frame/v1');
  if (!incoming.signatureHolds(signed, verifier)) return [refuse(incoming, 'bad-signature', home)];
  const payload = incoming.frame;
  if (payload === undefined) return [refuse(incoming, 'bad-payload', { ...home, ...hints(decision, kid) })];
  const { message, hash, receivedS } = incoming;
  return decideChecked(decision, { kid, kidBytes: sealed.kid, device, message, hash, payload, receivedS });
}

/** The bytes of an accepted frame, answered as they were the first time, whatever has happened to the key since. */
function knownFrame(
  decision: Decision,
  kid: string,
  device: DeviceRow,
  { frame, hash, message }: PreparedMessage,
): AnswerDraft | undefined {
  const index = frame && acceptedIndex(decision.rows, kid, frame);
  if (frame === undefined || index === undefined) return undefined;
  const opening = decision.openingOf(index);
  const content = sameFrame(opening, message);
  if (content === undefined) return undefined;
  const { epoch, number } = frame;
  const answer = {
    kid: fromHex(kid),
    epoch,
    number,
    messageHash: hash,
    code: VERDICT.accepted,
    index,
    salt: opening.slice(0, SALT_BYTES),
    receivedS: content.receivedS,
    ...hints(decision, kid),
  };
  return { gateway: device.home, answer, outcome: 'known' };
}

/** By its place in the sequence: the frame itself, then the parked ones that follow it. */
function decideChecked(decision: Decision, frame: CheckedFrame): readonly AnswerDraft[] {
  const answer = decideOne(decision, frame);
  return answer.outcome === 'accepted' ? [answer, ...decideParked(decision, frame.kid)] : [answer];
}

function decideOne(decision: Decision, frame: CheckedFrame): AnswerDraft {
  const { kid, payload, hash } = frame;
  const { epoch, number, previous } = payload;
  const row = decision.rows.get('sequence', kid)!;
  const isAccepted = acceptedIndex(decision.rows, kid, payload) !== undefined;
  const state = withGapAt(withParked(row, decision.parked(kid)), number, isAccepted);
  const verdict = decideSequence(state, { epoch, number, previous, hash });
  switch (verdict.kind) {
    case 'accept':
      return accept(decision, frame);
    case 'wrong-epoch':
      return answerTo(decision, frame, 'wrong-epoch', 'refused');
    case 'replay':
      return answerTo(decision, frame, 'replay', 'refused');
    case 'fork':
      if (verdict.evidence) fork(decision, frame);
      return answerTo(decision, frame, 'fork', 'refused');
    case 'gap':
      if (verdict.park) park(decision, frame);
      return answerTo(decision, frame, 'gap', verdict.park ? 'parked' : 'refused');
    case 'parked-duplicate':
      return answerTo(decision, parkedBefore(decision, frame), 'gap', 'parked');
  }
}

/** The same bytes once more: they came when they came first. */
function parkedBefore(decision: Decision, frame: CheckedFrame): CheckedFrame {
  const known = decision.parked(frame.kid).find(({ number }) => number === frame.payload.number);
  return { ...frame, receivedS: known?.receivedS ?? frame.receivedS };
}

const NONE: readonly AnswerDraft[] = [];

/** The parked frames whose turn has come, each decided again; a fork has dropped the others. */
export function decideParked(decision: Decision, kid: string): readonly AnswerDraft[] {
  if (decision.parked(kid).length === 0) return NONE;
  requireRun(decision, kid);
  dropPassed(decision, kid);
  const answers: AnswerDraft[] = [];
  for (;;) {
    const row = decision.rows.get('sequence', kid)!;
    const next = nextParked(withParked(row, decision.parked(kid)));
    if (next === undefined) return answers;
    const waiting = decision.parked(kid).find(({ number }) => number === next.number)!;
    decision.unpark(kid, waiting.number);
    answers.push(decideOne(decision, fromParked(decision, kid, waiting)));
  }
}

/** Frames that another writer's commits have left behind. */
function dropPassed(decision: Decision, kid: string): void {
  const { epoch, next } = decision.rows.get('sequence', kid)!.state;
  for (const waiting of decision.parked(kid)) {
    if (waiting.epoch !== epoch || waiting.number < next) decision.unpark(kid, waiting.number);
  }
}

/** Rows of all parked frames that follow without a hole, at once: each by itself would be a decision begun anew. */
function requireRun(decision: Decision, kid: string): void {
  const { rows } = decision;
  const settings = intervalSettings(decision.communityRow());
  let { next } = rows.get('sequence', kid)!.state;
  const refs: RowRef[] = [];
  for (const waiting of decision.parked(kid)) {
    if (waiting.number !== next) continue;
    next += 1;
    refs.push(...rowsOfFrame(rows, kid, fromParked(decision, kid, waiting).payload, settings));
  }
  rows.require(refs);
}

/** Signature and payload were checked before it was parked. */
function fromParked(decision: Decision, kid: string, waiting: ParkedMessage): CheckedFrame {
  const { message, hash, receivedS } = waiting;
  const sealed = parseSealed(message);
  const payload = parseFramePayload(sealed.payload);
  const device = decision.rows.get('device', kid)!;
  return { kid, kidBytes: sealed.kid, device, message, hash, payload, receivedS };
}

function accept(decision: Decision, frame: CheckedFrame): AnswerDraft {
  const { kid, hash, payload, receivedS, message, device } = frame;
  const { index, salt } = decision.appendFrame(receivedS, message, device.member);
  foldFrame(decision.rows, { index, kid, hash, payload, receivedS }, intervalSettings(decision.communityRow()));
  return answerTo(decision, frame, 'accepted', 'accepted', { index, salt });
}

function park(decision: Decision, { kid, message, hash, payload, receivedS }: CheckedFrame): void {
  const { epoch, number, previous } = payload;
  decision.park(kid, { epoch, number, hash, previous, receivedS, message });
}

/** Two contents under one number: both are kept, and the key is credited no more in this epoch. */
function fork(decision: Decision, { kid, message, payload }: CheckedFrame): void {
  const { epoch, number } = payload;
  const content = encodeEvidenceContent({ kid: fromHex(kid), epoch, number, message });
  decision.appendPrivate(KIND.evidence, content, COMMUNITY_KEY);
  decision.forgetWaiting(kid);
  foldFork(decision.rows, kid);
}

/** The next number expected and the open epoch: hints for a box that lost its place. */
export function hints(decision: Decision, kid: string): Pick<Answer, 'next' | 'openEpoch'> {
  const { next, epoch } = decision.rows.get('sequence', kid)!.state;
  // Behind the last number there is no next one.
  return next <= Number.MAX_SAFE_INTEGER ? { next, openEpoch: epoch } : { openEpoch: epoch };
}

function answerTo(
  decision: Decision,
  frame: CheckedFrame,
  verdict: Verdict,
  outcome: AnswerDraft['outcome'],
  proof: Pick<Answer, 'index' | 'salt'> = {},
): AnswerDraft {
  const { epoch, number } = frame.payload;
  const answer = {
    kid: frame.kidBytes,
    epoch,
    number,
    messageHash: frame.hash,
    code: VERDICT[verdict],
    receivedS: frame.receivedS,
    ...proof,
    ...hints(decision, frame.kid),
  };
  return { gateway: frame.device.home, answer, outcome };
}

/** A refusal before the payload is known; it says no more than what held. */
export function refuse(
  { gateway, hash, receivedS }: PreparedMessage,
  verdict: Verdict,
  known: Partial<Answer> & { gateway?: string } = {},
): AnswerDraft {
  const { gateway: home, ...fields } = known;
  const answer = { ...fields, messageHash: hash, code: VERDICT[verdict], receivedS };
  return { gateway: home ?? gateway, answer, outcome: 'refused' };
}
