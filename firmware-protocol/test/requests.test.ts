import { describe, expect, it } from 'vitest';
import { nobleSigner } from '../src/crypto.js';
import { fromHex, toHex } from '../src/hex.js';
import {
  type CounterEvent,
  type EpochRequest,
  encodeCounterEvent,
  encodeEpochRequest,
  encodeGapRequest,
  type GapRequest,
  parseRequestPayload,
  peekRequestKind,
  REQUEST_SEALS,
} from '../src/requests.js';
import { externalData, parseSealed, sealMessage } from '../src/sealed.js';
import vectors from '../vectors/requests.json' with { type: 'json' };
import { bytesOf, codeOf, nodeVerifier, refusal } from './support.js';

const BYTES = new Set(['kid', 'lastHash', 'expectedPrevious', 'nextPrevious']);

function requestOf(json: object): EpochRequest & GapRequest & CounterEvent {
  const fields = Object.entries(json).map(([name, value]: [string, unknown]) => {
    if (name === 'channels') {
      const list = value as { quantity: number; last: string; first: string }[];
      return [name, list.map(({ quantity, last, first }) => ({ quantity, last: BigInt(last), first: BigInt(first) }))];
    }
    return [name, BYTES.has(name) ? fromHex(value as string) : value];
  });
  return Object.fromEntries(fields) as EpochRequest & GapRequest & CounterEvent;
}

const ENCODERS = { 4: encodeEpochRequest, 5: encodeCounterEvent, 7: encodeGapRequest };

describe('a request', () => {
  it.each(vectors.good)('is read and written: $desc', ({ kind, payload, request }) => {
    const known = kind as keyof typeof ENCODERS;
    expect(peekRequestKind(fromHex(payload))).toBe(kind);
    expect(parseRequestPayload(fromHex(payload))).toEqual({ kind, ...requestOf(request) });
    expect(toHex(ENCODERS[known](requestOf(request)))).toBe(payload);
  });

  it.each(vectors.bad)('is refused: $desc', ({ payload, says }) => {
    expect(refusal(() => parseRequestPayload(fromHex(payload)))).toEqual({ code: 'bad-payload', says });
  });

  it('is encoded only if it could be read', () => {
    const [epoch] = vectors.good.filter(({ kind }) => kind === 4).map(({ request }) => requestOf(request));
    expect(codeOf(() => encodeEpochRequest({ ...epoch!, oldEpoch: 0 }))).toBe('bad-payload');
    expect(codeOf(() => encodeEpochRequest({ ...epoch!, reason: 0.5 }))).toBe('out-of-range');
  });

  it('shows its kind before its signature is checked, and cannot lie about it', () => {
    for (const payload of ['', '83', '8304', '830401', '83060100', '84040100', '83040200', 'a0']) {
      expect(peekRequestKind(fromHex(payload))).toBe(payload === '830401' ? 4 : undefined);
    }
    const origin = 'community.example/ledger';
    const signer = nobleSigner(bytesOf(9));
    const { payload } = vectors.good.find(({ kind }) => kind === 7)!;
    const message = sealMessage({
      payload: fromHex(payload),
      externalData: externalData(origin, REQUEST_SEALS[7]),
      kid: bytesOf(1, 8),
      signer,
    });
    const sealed = parseSealed(message);
    for (const kind of [4, 5, 7] as const) {
      const signed = sealed.toBeSigned(externalData(origin, REQUEST_SEALS[kind]));
      expect(nodeVerifier.verify(signer.publicKey, signed, sealed.signature)).toBe(kind === 7);
    }
  });
});
