import type { Answer } from './answer.js';
import { bytesEqual } from './bytes.js';
import { cborMap, encodeCbor } from './cbor.js';
import type { Hasher, Verifier } from './crypto.js';
import { ProtocolError, VERDICT } from './errors.js';
import { parseFramePayload } from './frame-parser.js';
import {
  commitment,
  decodeEntry,
  frameLeaf,
  KIND,
  type LogEntry,
  leafHash,
  openCheckpoint,
  rootFromInclusion,
} from './log/index.js';
import { type DeviceRequest, parseRequestPayload } from './requests.js';
import { parseSealed } from './sealed.js';

/** What a box checks an answer against: the message it sent and what it was told at enrolment. */
export interface ReceiptCheck {
  readonly answer: Answer;
  /** The message as it was sent. */
  readonly message: Uint8Array;
  readonly origin: string;
  readonly logKey: Uint8Array;
  readonly hasher: Hasher;
  readonly verifier: Verifier;
}

/** What the answer proved: the message is leaf `index` of the log with this head. */
export interface ProvedLeaf {
  readonly checkpoint: { readonly size: number; readonly root: Uint8Array };
  readonly index: number;
}

/**
 * Untrusted: checks that the frame is in the log (PROTOCOL 5.3). The leaf is computed from the box's own copy of the frame,
 * the answer's salt and received; the path leads to the root of a checkpoint that the log's key signed. Throws
 * `bad-receipt` saying what did not hold.
 */
export function verifyReceipt(check: ReceiptCheck): ProvedLeaf {
  const { answer, message, hasher } = check;
  checkAnswered(check);
  const { salt, receivedS } = answer;
  if (salt === undefined || receivedS === undefined) throw bad('receipt', 'salt and received', 'none');
  const sealed = parseSealed(message);
  const frame = parseFramePayload(sealed.payload);
  if (!sameBytes(answer.kid, sealed.kid)) throw bad('kid', "the frame's", 'another');
  if (answer.epoch !== frame.epoch || answer.number !== frame.number) {
    throw bad('number', `${frame.epoch}/${frame.number}`, `${answer.epoch}/${answer.number}`);
  }
  return proveLeaf(check, frameLeaf(hasher, { salt, receivedS, message }));
}

/**
 * Untrusted: checks that a request of this box became an entry of the log (PROTOCOL 5.4): the leaf data holds exactly the
 * message, or its commitment, and the path leads to a signed root. Throws `bad-receipt`.
 */
export function verifyGrant(check: ReceiptCheck): ProvedLeaf {
  const { answer, message } = check;
  checkAnswered(check);
  const { leafData } = answer;
  if (leafData === undefined) throw bad('grant', 'leaf data', 'none');
  const sealed = parseSealed(message);
  const request = parseRequestPayload(sealed.payload);
  if (!sameBytes(answer.kid, sealed.kid)) throw bad('kid', "the request's", 'another');
  checkEntry(check, request, readEntry(leafData));
  checkEpoch(answer, request);
  return proveLeaf(check, leafData);
}

function checkAnswered({ answer, message, hasher }: ReceiptCheck): void {
  if (answer.code !== VERDICT.accepted) throw bad('code', '0', String(answer.code));
  if (!bytesEqual(answer.messageHash, hasher.sha256(message))) throw bad('message hash', "the message's", 'another');
}

function readEntry(leafData: Uint8Array): LogEntry {
  try {
    return decodeEntry(leafData);
  } catch (cause) {
    throw bad('leaf data', 'a log entry', 'something else', cause);
  }
}

/** PROTOCOL 5.4: epoch and gap are public and carry the message in field 1; a counter event stands as its commitment. */
function checkEntry({ answer, message, hasher }: ReceiptCheck, request: DeviceRequest, entry: LogEntry): void {
  if (entry.kind !== request.kind) throw bad('leaf data', `kind ${request.kind}`, `kind ${entry.kind}`);
  if (request.kind === KIND.counterEvent) {
    const { salt } = answer;
    if (salt === undefined) throw bad('grant of a counter event', 'its salt', 'none');
    const expected = commitment(hasher, salt, encodeCbor(cborMap([[1, message]])));
    if (!(entry.body instanceof Uint8Array) || !bytesEqual(entry.body, expected)) {
      throw bad('leaf data', "the message's commitment", 'another body');
    }
    return;
  }
  const held = entry.body instanceof Map ? entry.body.get(1) : undefined;
  if (!(held instanceof Uint8Array) || !bytesEqual(held, message))
    throw bad('leaf data', 'the message', 'another body');
}

function checkEpoch(answer: Answer, request: DeviceRequest): void {
  if (request.kind === KIND.counterEvent) return;
  const expected = request.kind === KIND.gatewayEpoch ? request.oldEpoch + 1 : request.epoch;
  if (answer.epoch !== expected) throw bad('epoch', String(expected), String(answer.epoch));
}

/** Walks from the leaf to the root of the checkpoint, and checks the log's signature on it. */
function proveLeaf(check: ReceiptCheck, leafData: Uint8Array): ProvedLeaf {
  const { answer, origin, logKey, hasher, verifier } = check;
  const { index, path, checkpoint: note } = answer;
  if (index === undefined || path === undefined || note === undefined) {
    throw bad('proof', 'index, path and checkpoint', 'none');
  }
  try {
    const { size, root } = openCheckpoint({ note, origin, logKey, hasher, verifier });
    const walked = rootFromInclusion(hasher, { index, size, leafHash: leafHash(hasher, leafData), path: [...path] });
    if (bytesEqual(walked, root)) return { checkpoint: { size, root }, index };
  } catch (cause) {
    throw bad('proof', 'a signed checkpoint and a path of its length', messageOf(cause), cause);
  }
  throw bad('proof', "a path to the checkpoint's root", 'another root');
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && bytesEqual(a, b);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function bad(what: string, expected: string, got: string, cause?: unknown): ProtocolError {
  return new ProtocolError('bad-receipt', `${what}: expected ${expected}, got ${got}`, { cause });
}
