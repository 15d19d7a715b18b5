import { describe, expect, it } from 'vitest';
import {
  formatLive,
  formatStatus,
  type GatewayStatus,
  type LivePower,
  MAX_STATUS_BYTES,
  parseLive,
  parseStatus,
  usePowerW,
} from '../src/status.js';
import { utf8Decode, utf8Encode } from '../src/utf8.js';
import vectors from '../vectors/status.json' with { type: 'json' };
import { codeOf } from './support.js';

const json = (value: unknown) => utf8Encode(JSON.stringify(value));
const online = vectors.status[0]!.value as unknown as GatewayStatus & { state: 'online' };

describe('the status of a gateway', () => {
  it.each(vectors.status)('is read and written: $desc', ({ json: text, value }) => {
    expect(utf8Decode(formatStatus(value as unknown as GatewayStatus))).toBe(JSON.stringify(text));
    expect(parseStatus(json(text))).toEqual(value);
  });

  it('may have keys that come later', () => {
    expect(parseStatus(json({ ...vectors.status[0]!.json, colour: 'green' }))).toEqual(online);
  });

  it.each(vectors.badStatus)('is refused with $desc', ({ change }) => {
    expect(codeOf(() => parseStatus(json({ ...vectors.status[0]!.json, ...change })))).toBe('bad-status');
  });

  it('is not formatted when it could not be read', () => {
    expect(codeOf(() => formatStatus({ ...online, pending: 0.5 }))).toBe('bad-status');
    expect(codeOf(() => formatStatus({ state: 'offline', gateway: '#' }))).toBe('bad-status');
  });
});

describe('the power now', () => {
  it.each(vectors.live)('is read and written: $desc', ({ json: text, value, useW }) => {
    expect(utf8Decode(formatLive(value as LivePower))).toBe(JSON.stringify(text));
    expect(parseLive(json(text))).toEqual(value);
    expect(usePowerW(value as LivePower)).toBe(useW);
  });

  it.each(vectors.badLive)('is refused with $desc', ({ change }) => {
    expect(codeOf(() => parseLive(json({ ...vectors.live[0]!.json, ...change })))).toBe('bad-status');
  });
});

describe('what anyone may publish', () => {
  it.each(['', '{', 'null', '[]', '"online"', '1', '{"version":1}', '{"__proto__":1}'])(
    'is refused when it is %j',
    (text) => {
      expect(codeOf(() => parseStatus(utf8Encode(text)))).toBe('bad-status');
      expect(codeOf(() => parseLive(utf8Encode(text)))).toBe('bad-status');
    },
  );

  it('is refused when it is not UTF-8, or too long', () => {
    expect(codeOf(() => parseLive(Uint8Array.of(0xff)))).toBe('bad-status');
    const padded = utf8Encode(JSON.stringify({ ...vectors.live[0]!.json, pad: 'x'.repeat(MAX_STATUS_BYTES) }));
    expect(codeOf(() => parseLive(padded))).toBe('bad-status');
  });
});
