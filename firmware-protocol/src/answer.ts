import { CborWriter, headBytes } from './cbor-writer.js';
import { HASH_BYTES, KID_BYTES, type Signer, type Verifier } from './crypto.js';
import { ProtocolError, VERDICT } from './errors.js';
import { decodeMessage, Fields } from './fields.js';
import { FRAME_LIMITS } from './frame.js';
import { MAX_ENTRY_BYTES, SALT_BYTES } from './log/index.js';
import { externalData, parseSealed, sealMessage } from './sealed.js';

/** Longest answer: leaf data of up to 64 KiB, a note and a path beside it (PROTOCOL 5.2). */
export const MAX_ANSWER_BYTES = 96 * 1024;

const MAX_CHECKPOINT_BYTES = 16 * 1024;
const MAX_PATH = 64;
const ANSWER_VERSION = 1;

/** What a ledger says to a frame or a request (PROTOCOL 5.2). A field without a value is absent. */
export interface Answer {
  readonly kid?: Uint8Array;
  /** The frame's epoch; for a granted epoch request the new one. */
  readonly epoch?: number;
  readonly number?: number;
  /** SHA-256 of the message that is answered. */
  readonly messageHash: Uint8Array;
  /** One of VERDICT. */
  readonly code: number;
  /** Leaf index in the log. */
  readonly index?: number;
  readonly salt?: Uint8Array;
  /** UTC second in which the message first came. */
  readonly receivedS?: number;
  /** Next number expected in the open epoch; for gap the first missing. A hint, not proved. */
  readonly next?: number;
  /** The bytes of the signed note. */
  readonly checkpoint?: Uint8Array;
  /** Inclusion path, leaf upwards. */
  readonly path?: readonly Uint8Array[];
  /** Leaf data of the entry that a request became. */
  readonly leafData?: Uint8Array;
  /** The epoch now open. */
  readonly openEpoch?: number;
}

/** An answer that proves that a frame is in the log. */
export type Receipt = Answer &
  Required<Pick<Answer, 'kid' | 'epoch' | 'number' | 'index' | 'salt' | 'receivedS' | 'checkpoint' | 'path'>>;

/** An answer that proves that a request became an entry of the log. */
export type Grant = Answer & Required<Pick<Answer, 'kid' | 'index' | 'checkpoint' | 'path' | 'leafData'>>;

/**
 * The map of an answer; `proof` where its checkpoint and path are handed over beside it. Throws `bad-answer` or
 * `out-of-range` for what `parseAnswer` would refuse.
 */
export function encodeAnswer(answer: Answer, proof: Pick<Answer, 'checkpoint' | 'path'> = answer): Uint8Array {
  checkFields(answer, proof);
  checkShape(answer, proof);
  const fields = [
    ANSWER_VERSION,
    answer.kid,
    answer.epoch,
    answer.number,
    answer.messageHash,
    answer.code,
    answer.index,
    answer.salt,
    answer.receivedS,
    answer.next,
    proof.checkpoint,
    proof.path,
    answer.leafData,
    answer.openEpoch,
  ];
  let count = 0;
  let size = 1;
  for (const value of fields) {
    if (value === undefined) continue;
    count += 1;
    size += 1 + sizeOf(value);
  }
  const writer = new CborWriter(size).map(count);
  // Keys are 1 to 14, in the order above.
  fields.forEach((value, i) => {
    if (value !== undefined) writeField(writer.uint(i + 1), value);
  });
  return writer.finish();
}

type FieldValue = number | Uint8Array | readonly Uint8Array[];

function writeField(writer: CborWriter, value: FieldValue): void {
  if (typeof value === 'number') writer.uint(value);
  else if (value instanceof Uint8Array) writer.bytes(value);
  else {
    writer.array(value.length);
    for (const node of value) writer.bytes(node);
  }
}

function sizeOf(value: FieldValue): number {
  if (typeof value === 'number') return headBytes(value);
  const size = headBytes(value.length);
  return value instanceof Uint8Array ? size + value.length : size + value.reduce((sum, node) => sum + sizeOf(node), 0);
}

/** The limits of `parseAnswer`, on fields that are not bytes yet. Numbers are checked again by whoever writes them. */
function checkFields(answer: Answer, { checkpoint, path = [] }: Pick<Answer, 'checkpoint' | 'path'>): void {
  checkNumber('epoch', answer.epoch, 1, FRAME_LIMITS.maxEpoch);
  checkNumber('number', answer.number, 1);
  checkNumber('code', answer.code, VERDICT.accepted, VERDICT.gap);
  checkNumber('next number', answer.next, 1);
  checkNumber('open epoch', answer.openEpoch, 1, FRAME_LIMITS.maxEpoch);
  checkLength('kid', answer.kid, KID_BYTES);
  checkLength('message hash', answer.messageHash, HASH_BYTES);
  checkLength('salt', answer.salt, SALT_BYTES);
  checkLength('checkpoint', checkpoint, 1, MAX_CHECKPOINT_BYTES);
  checkLength('leaf data', answer.leafData, 1, MAX_ENTRY_BYTES);
  if (path.length > MAX_PATH) throw badAnswer('path', `0 to ${MAX_PATH} items`, `${path.length} items`);
  for (const node of path) checkLength('path', node, HASH_BYTES);
}

function checkNumber(name: string, value: number | undefined, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (value !== undefined && !(value >= min && value <= max)) throw badAnswer(name, `${min} to ${max}`, `${value}`);
}

function checkLength(name: string, value: Uint8Array | undefined, min: number, max = min): void {
  if (value === undefined || (value.length >= min && value.length <= max)) return;
  throw badAnswer(name, min === max ? `${min} bytes` : `${min} to ${max} bytes`, `${value.length} bytes`);
}

function badAnswer(name: string, expected: string, got: string): ProtocolError {
  return new ProtocolError('bad-answer', `answer: ${name}: expected ${expected}, got ${got}`);
}

/** Untrusted: the map of an answer, each field by its own rule, and together a receipt, a grant or a refusal. Throws `bad-answer`. */
export function parseAnswer(bytes: Uint8Array): Answer {
  const fields = new Fields(decodeMessage(bytes, MAX_ANSWER_BYTES, 'bad-answer'), 'answer', 'bad-answer');
  fields.uint(1, 'version', ANSWER_VERSION, ANSWER_VERSION);
  const answer: Answer = {
    ...(fields.has(2) && { kid: fields.bytes(2, 'kid', KID_BYTES) }),
    ...(fields.has(3) && { epoch: fields.uint(3, 'epoch', 1, FRAME_LIMITS.maxEpoch) }),
    ...(fields.has(4) && { number: fields.uint(4, 'number', 1) }),
    messageHash: fields.bytes(5, 'message hash', HASH_BYTES),
    code: fields.uint(6, 'code', VERDICT.accepted, VERDICT.gap),
    ...(fields.has(7) && { index: fields.uint(7, 'leaf index') }),
    ...(fields.has(8) && { salt: fields.bytes(8, 'salt', SALT_BYTES) }),
    ...(fields.has(9) && { receivedS: fields.uint(9, 'received') }),
    ...(fields.has(10) && { next: fields.uint(10, 'next number', 1) }),
    ...(fields.has(11) && { checkpoint: fields.bytes(11, 'checkpoint', 1, MAX_CHECKPOINT_BYTES) }),
    ...(fields.has(12) && { path: parsePath(fields) }),
    ...(fields.has(13) && { leafData: fields.bytes(13, 'leaf data', 1, MAX_ENTRY_BYTES) }),
    ...(fields.has(14) && { openEpoch: fields.uint(14, 'open epoch', 1, FRAME_LIMITS.maxEpoch) }),
  };
  fields.end();
  checkShape(answer);
  return answer;
}

function parsePath(fields: Fields): Uint8Array[] {
  return fields.array(12, 'path', 0, MAX_PATH).map((node) => {
    if (!(node instanceof Uint8Array) || node.length !== HASH_BYTES)
      throw fields.fail('path of 32-byte strings', 'another item');
    return node;
  });
}

/** Fields that each kind of answer must have, and those it must not (PROTOCOL 5.2). */
const SHAPES = {
  receipt: { must: ['kid', 'epoch', 'number', 'index', 'salt', 'receivedS', 'checkpoint', 'path'], not: ['leafData'] },
  grant: { must: ['kid', 'index', 'checkpoint', 'path', 'leafData'], not: ['number', 'receivedS'] },
  refusal: { must: ['receivedS'], not: ['index', 'salt', 'checkpoint', 'path', 'leafData'] },
} as const satisfies Record<string, { must: readonly (keyof Answer)[]; not: readonly (keyof Answer)[] }>;

function shapeOf(answer: Answer): keyof typeof SHAPES {
  if (answer.code !== VERDICT.accepted) return 'refusal';
  return answer.leafData === undefined ? 'receipt' : 'grant';
}

function checkShape(answer: Answer, proof: Pick<Answer, 'checkpoint' | 'path'> = answer): void {
  const shape = shapeOf(answer);
  const { must, not } = SHAPES[shape];
  const fieldOf = (name: keyof Answer) => (name === 'checkpoint' || name === 'path' ? proof[name] : answer[name]);
  const missing = must.find((name) => fieldOf(name) === undefined);
  if (missing !== undefined) throw badShape(`a ${shape} with its ${missing}`, 'none');
  const extra = not.find((name) => fieldOf(name) !== undefined);
  if (extra !== undefined) throw badShape(`a ${shape} without ${extra}`, 'one');
}

function badShape(expected: string, got: string): ProtocolError {
  return new ProtocolError('bad-answer', `answer: expected ${expected}, got ${got}`);
}

/** Seals an answer that is neither receipt nor grant with the answer key. `kid` is the answer key's. */
export function sealAnswer(input: {
  readonly answer: Answer;
  readonly origin: string;
  readonly kid: Uint8Array;
  readonly signer: Signer;
}): Uint8Array {
  const { answer, origin, kid, signer } = input;
  if (answer.code === VERDICT.accepted) {
    throw new ProtocolError(
      'bad-answer',
      'sealed answer: expected a refusal or a gap, got code 0, which proves itself',
    );
  }
  return sealMessage({
    payload: encodeAnswer(answer),
    externalData: externalData(origin, 'frame-answer/v1'),
    kid,
    signer,
  });
}

/**
 * Untrusted: a signed answer. Throws `malformed` for its envelope and `bad-answer` for a signature that is not the answer
 * key's for this origin, or a map that is no refusal.
 */
export function parseSignedAnswer(input: {
  readonly bytes: Uint8Array;
  readonly origin: string;
  readonly answerKey: Uint8Array;
  readonly verifier: Verifier;
}): Answer {
  const sealed = parseSealed(input.bytes);
  const signed = sealed.toBeSigned(externalData(input.origin, 'frame-answer/v1'));
  if (!input.verifier.verify(input.answerKey, signed, sealed.signature)) {
    throw new ProtocolError(
      'bad-answer',
      `signed answer: expected the answer key's signature for ${input.origin}, got another`,
    );
  }
  const answer = parseAnswer(sealed.payload);
  if (answer.code === VERDICT.accepted)
    throw new ProtocolError('bad-answer', 'signed answer: expected a refusal or a gap, got code 0');
  return answer;
}

/** What came on the answer topic. A signed one is still to be checked, with `parseSignedAnswer`. */
export type AnswerMessage =
  | { readonly kind: 'receipt'; readonly answer: Receipt }
  | { readonly kind: 'grant'; readonly answer: Grant }
  | { readonly kind: 'signed'; readonly bytes: Uint8Array };

/**
 * Untrusted: tells a proof (a map) from a signed answer (tag 18) by the first byte. Throws `bad-answer`, also for a refusal
 * that nobody signed. A receipt or grant proves nothing before `verifyReceipt` or `verifyGrant`.
 */
export function parseAnswerMessage(bytes: Uint8Array): AnswerMessage {
  if (bytes[0] === 0xd2) return { kind: 'signed', bytes };
  const answer = parseAnswer(bytes);
  const shape = shapeOf(answer);
  if (shape === 'receipt') return { kind: 'receipt', answer: answer as Receipt };
  if (shape === 'grant') return { kind: 'grant', answer: answer as Grant };
  throw new ProtocolError('bad-answer', `answer: expected a signature on code ${answer.code}, got a bare map`);
}
