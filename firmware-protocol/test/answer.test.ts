import { describe, expect, it } from 'vitest';
import {
  type Answer,
  encodeAnswer,
  parseAnswer,
  parseAnswerMessage,
  parseSignedAnswer,
  sealAnswer,
} from '../src/answer.js';
import { keyId, nobleSha256, nobleSigner } from '../src/crypto.js';
import { fromHex, toHex } from '../src/hex.js';
import { verifyGrant, verifyReceipt } from '../src/receipt.js';
import { externalData, sealMessage } from '../src/sealed.js';
import answers from '../vectors/answers.json' with { type: 'json' };
import receipts from '../vectors/receipts.json' with { type: 'json' };
import { bytesOf, codeOf, nodeVerifier, refusal } from './support.js';

const { origin } = answers;
const answerKey = fromHex(answers.answerKey);
const signer = nobleSigner(bytesOf(0x02));
const kid = keyId(nobleSha256, answerKey);
const refused: Answer = { kid: bytesOf(1, 8), messageHash: bytesOf(2), code: 2, receivedS: 1_767_225_600 };

const BYTES = new Set(['kid', 'messageHash', 'salt', 'checkpoint', 'leafData']);
/** An answer as it stands in a vector file, with bytes in hex. */
function answerOf(json: object): Answer {
  const fields = Object.entries(json).map(([name, value]: [string, unknown]) => {
    if (name === 'path') return [name, (value as string[]).map((node) => fromHex(node))];
    return [name, BYTES.has(name) ? fromHex(value as string) : value];
  });
  return Object.fromEntries(fields) as Answer;
}

describe('an answer that proves itself', () => {
  it.each(answers.maps)('is read and written: $desc', ({ kind, bytes, answer }) => {
    expect(parseAnswer(fromHex(bytes))).toEqual(answerOf(answer));
    expect(toHex(encodeAnswer(answerOf(answer)))).toBe(bytes);
    expect(parseAnswerMessage(fromHex(bytes)).kind).toBe(kind);
  });

  it.each(answers.bad)('is refused: $desc', ({ bytes, says }) => {
    expect(refusal(() => parseAnswer(fromHex(bytes)))).toEqual({ code: 'bad-answer', says });
  });

  const check = (bytes: string, message: string, of: { origin: string; logKey: string } = receipts) => {
    const parsed = parseAnswerMessage(fromHex(bytes));
    if (parsed.kind === 'signed') return expect.fail('a proof is not signed');
    const verify = parsed.kind === 'receipt' ? verifyReceipt : verifyGrant;
    return verify({
      answer: parsed.answer,
      message: fromHex(message),
      origin: of.origin,
      logKey: fromHex(of.logKey),
      hasher: nobleSha256,
      verifier: nodeVerifier,
    });
  };

  it.each(receipts.good)('proves the leaf: $desc', ({ bytes, message, index, size, root }) => {
    expect(check(bytes, message)).toEqual({ index, checkpoint: { size, root: fromHex(root) } });
  });

  it.each(receipts.bad)('proves nothing with $desc', ({ bytes, message, origin: of, logKey, says }) => {
    expect(refusal(() => check(bytes, message, { origin: of, logKey }))).toEqual({ code: 'bad-receipt', says });
  });

  it('proves nothing with any bit of salt, path, index or checkpoint changed', () => {
    const { bytes, message } = receipts.good[0]!;
    const good = parseAnswer(fromHex(bytes));
    const of = {
      message: fromHex(message),
      origin,
      logKey: fromHex(receipts.logKey),
      hasher: nobleSha256,
      verifier: nodeVerifier,
    };
    const bend = (name: 'salt' | 'checkpoint' | 'messageHash', at: number): Answer => ({
      ...good,
      [name]: good[name]!.with(at, good[name]![at]! ^ 1),
    });
    const bent = [
      ...[0, 7, 15].map((at) => bend('salt', at)),
      ...Array.from(good.checkpoint!, (_, at) => bend('checkpoint', at)),
      ...good.path!.flatMap((node, i) =>
        [0, 31].map((at) => ({ ...good, path: good.path!.with(i, node.with(at, node[at]! ^ 1)) })),
      ),
      ...[0, 1, 2, 4, 10, 11, 2 ** 40].map((index) => ({ ...good, index })),
    ];
    for (const answer of bent) expect(codeOf(() => verifyReceipt({ answer, ...of }))).toBe('bad-receipt');
  });

  it('is not taken as the other kind', () => {
    const [receipt, grant] = receipts.good.map(({ bytes, message }) => ({
      answer: parseAnswer(fromHex(bytes)),
      message: fromHex(message),
      origin,
      logKey: fromHex(receipts.logKey),
      hasher: nobleSha256,
      verifier: nodeVerifier,
    }));
    expect(codeOf(() => verifyGrant(receipt!))).toBe('bad-receipt');
    expect(codeOf(() => verifyReceipt(grant!))).toBe('bad-receipt');
  });
});

describe('a signed answer', () => {
  const open = (bytes: Uint8Array, of = origin, key = answerKey) =>
    parseSignedAnswer({ bytes, origin: of, answerKey: key, verifier: nodeVerifier });

  it.each(answers.signed)('is read and sealed: $desc', ({ payload, bytes, answer }) => {
    expect(toHex(encodeAnswer(answerOf(answer)))).toBe(payload);
    expect(toHex(sealAnswer({ answer: answerOf(answer), origin, kid, signer }))).toBe(bytes);
    expect(parseAnswerMessage(fromHex(bytes)).kind).toBe('signed');
    expect(open(fromHex(bytes))).toEqual(answerOf(answer));
  });

  it('is refused of another origin, another key, or with a bit changed', () => {
    const bytes = sealAnswer({ answer: refused, origin, kid, signer });
    expect(codeOf(() => open(bytes, 'other.example/ledger'))).toBe('bad-answer');
    expect(codeOf(() => open(bytes, origin, bytesOf(3)))).toBe('bad-answer');
    expect(codeOf(() => open(bytes.with(30, bytes[30]! ^ 1)))).toBe('bad-answer');
    expect(codeOf(() => open(bytes.slice(0, -1)))).toBe('malformed');
  });

  it('is refused when the key sealed another kind of message', () => {
    const payload = encodeAnswer(refused);
    const bytes = sealMessage({ payload, externalData: externalData(origin, 'log-entry/v1'), kid, signer });
    expect(codeOf(() => open(bytes))).toBe('bad-answer');
  });

  it('is not made of a receipt, nor believed as one', () => {
    const receipt = answerOf(answers.maps[0]!.answer);
    expect(codeOf(() => sealAnswer({ answer: receipt, origin, kid, signer }))).toBe('bad-answer');
    const bytes = sealMessage({
      payload: encodeAnswer(receipt),
      externalData: externalData(origin, 'frame-answer/v1'),
      kid,
      signer,
    });
    expect(codeOf(() => open(bytes))).toBe('bad-answer');
  });
});

describe('what comes on the answer topic', () => {
  it('is no refusal unless it is signed', () => {
    expect(codeOf(() => parseAnswerMessage(encodeAnswer(refused)))).toBe('bad-answer');
  });

  it.each(['', '00', 'f6', 'a0', '80', 'ff', 'd3'])('is refused when it is %s', (bytes) => {
    expect(codeOf(() => parseAnswerMessage(fromHex(bytes)))).toBe('bad-answer');
  });

  it('is told by its first byte, and a tag alone proves nothing', () => {
    const message = parseAnswerMessage(fromHex('d200'));
    expect(message.kind).toBe('signed');
    expect(codeOf(() => parseSignedAnswer({ bytes: fromHex('d200'), origin, answerKey, verifier: nodeVerifier }))).toBe(
      'malformed',
    );
  });
});
