import { describe, expect, it } from 'vitest';
import { channelValues, type FramePayload, instantCount, sampleTimesS } from '../src/frame.js';
import { encodeFramePayload } from '../src/frame-encoder.js';
import { parseFramePayload } from '../src/frame-parser.js';
import { fromHex, toHex } from '../src/hex.js';
import vectors from '../vectors/frame-payloads.json' with { type: 'json' };
import { bytesOf, codeOf, frameOf, refusal } from './support.js';

const one: FramePayload = frameOf(vectors.good.find(({ desc }) => desc === 'a single instant')!.frame);

describe('a frame payload', () => {
  it.each(vectors.good)('is read and written: $desc', ({ payload, frame }) => {
    expect(parseFramePayload(fromHex(payload))).toEqual(frameOf(frame));
    expect(toHex(encodeFramePayload(frameOf(frame)))).toBe(payload);
  });

  it.each(vectors.bad)('is refused with $desc', ({ payload, says }) => {
    expect(refusal(() => parseFramePayload(fromHex(payload)))).toEqual({ code: 'bad-payload', says });
  });

  it('is refused at every length but its own', () => {
    for (const { payload } of vectors.good) {
      const good = fromHex(payload);
      for (let length = 0; length < good.length; length++) {
        expect(codeOf(() => parseFramePayload(good.slice(0, length)))).toBe('bad-payload');
      }
    }
  });

  it('says what, what was expected and what came', () => {
    const { payload } = vectors.bad.find(({ desc }) => desc === 'status 7')!;
    expect(() => parseFramePayload(fromHex(payload))).toThrow('status: expected at most 6, got 7 (at byte 90)');
  });

  it.each([
    ['an empty list of events becomes no key', { ...one, events: [] }, 'not refused'],
    ['a step for a single instant', { ...one, step: 60 }, 'bad-payload'],
    ['a fraction of a second', { ...one, startS: 0.5 }, 'out-of-range'],
    ['a negative counter', { ...one, channels: [{ ...one.channels[0]!, first: -1n }] }, 'bad-payload'],
    ['a counter of 65 bits', { ...one, channels: [{ ...one.channels[0]!, first: 2n ** 64n }] }, 'out-of-range'],
    ['a previous of 31 bytes', { ...one, previous: bytesOf(0, 31) }, 'bad-payload'],
    ['no channels', { ...one, channels: [] }, 'bad-payload'],
    ['status 7', { ...one, channels: [{ ...one.channels[0]!, status: 7 }] }, 'bad-payload'],
  ] as const)('is encoded only if it could be read: %s', (_name, frame, code) => {
    expect(codeOf(() => encodeFramePayload(frame as FramePayload))).toBe(code);
  });
});

describe('the instants and values of a frame', () => {
  const deltas = [5, 0, 7];
  const channel = { meterIndex: 0, quantity: 1, status: 0, first: 2n ** 63n, deltas } as const;

  it('are regular under a step', () => {
    const frame = { ...one, startS: 1000, step: 60, channels: [channel] };
    expect(sampleTimesS(frame)).toEqual([1000, 1060, 1120, 1180]);
    expect(instantCount(frame)).toBe(4);
  });

  it('are the start and each offset under a list', () => {
    expect(
      sampleTimesS({ ...one, startS: 1000, step: [1, 86_400], channels: [{ ...channel, deltas: [0, 0] }] }),
    ).toEqual([1000, 1001, 87_400]);
    expect(sampleTimesS({ ...one, startS: 1000 })).toEqual([1000]);
  });

  it('add up exactly above 2^53', () => {
    expect(channelValues(channel)).toEqual([2n ** 63n, 2n ** 63n + 5n, 2n ** 63n + 5n, 2n ** 63n + 12n]);
  });
});
