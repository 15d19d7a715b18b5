import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { describe, expect, it } from 'vitest';
import { bytesEqual } from '../src/bytes.js';
import { ProtocolError } from '../src/errors.js';
import { encodeFramePayload } from '../src/frame-encoder.js';
import { parseFramePayload } from '../src/frame-parser.js';
import { toHex } from '../src/hex.js';
import { randomFrame } from './frame-shapes.js';
import { seededRandom } from './support.js';

// COMMONWATT_FUZZ=5000000 COMMONWATT_SEED=7 runs more, or others.
const RUNS = Number(process.env.COMMONWATT_FUZZ ?? 120_000);
const SEED = Number(process.env.COMMONWATT_SEED ?? 1);
const random = seededRandom(SEED);
const below = (limit: number) => Math.floor(random() * limit);
const MAX = Number.MAX_SAFE_INTEGER;

// ---- The schema, once more, on what a general library decoded.

const isUint = (value: unknown, min: number, max: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
const isArray = (value: unknown, min: number, max: number): value is unknown[] =>
  Array.isArray(value) && value.length >= min && value.length <= max;
const isBytes = (value: unknown, length: number): boolean => value instanceof Uint8Array && value.length === length;
const isUints = (value: unknown, count: number): boolean =>
  isArray(value, count, count) && value.every((item) => isUint(item, 0, MAX));

function isStep(step: unknown): boolean {
  if (typeof step === 'number') return isUint(step, 1, 86_400);
  return (
    isArray(step, 0, 287) &&
    step.every((offset, i) => isUint(offset, 1, 86_400) && (i === 0 || offset > Number(step[i - 1])))
  );
}

function isChannel(channel: unknown): boolean {
  if (!isArray(channel, 5, 5)) return false;
  const [meter, quantity, status, first, deltas] = channel;
  if (!isUint(meter, 0, MAX) || !isUint(quantity, 1, 7) || !isUint(status, 0, 6)) return false;
  if (!isUint(first, 0, MAX) && !(typeof first === 'bigint' && first > 0n)) return false;
  if (!isArray(deltas, 0, 287) || !deltas.every((delta) => isUint(delta, 0, MAX))) return false;
  return deltas.reduce<bigint>((sum, delta) => sum + BigInt(Number(delta)), BigInt(first)) < 2n ** 64n;
}

function areChannels(value: unknown, step: unknown): boolean {
  if (!isArray(value, 1, 16) || !value.every(isChannel)) return false;
  const channels = value as [number, number, number, unknown, number[]][];
  const count = channels[0]![4].length;
  const fits = typeof step === 'number' ? count > 0 : count === (step as unknown[]).length;
  const rises = channels.every(([meter, quantity], i) => {
    const [beforeMeter, beforeQuantity] = channels[i - 1] ?? [-1, 0];
    return meter > beforeMeter || (meter === beforeMeter && quantity > beforeQuantity);
  });
  return fits && rises && channels.every((channel) => channel[4].length === count);
}

function isFrame(value: unknown): boolean {
  if (!(value instanceof Map) || [...value.keys()].some((key) => !isUint(key, 1, 11))) return false;
  const clock: unknown = value.get(7);
  const events: unknown = value.get(10);
  const seen: unknown = value.get(11);
  return (
    value.get(1) === 1 &&
    isUint(value.get(2), 1, 2 ** 32 - 1) &&
    isUint(value.get(3), 1, MAX) &&
    isBytes(value.get(4), 32) &&
    isUint(value.get(5), 0, MAX) &&
    isStep(value.get(6)) &&
    isUints(clock, 3) &&
    (clock as number[])[0]! <= 4 &&
    isUints(value.get(8), 2) &&
    areChannels(value.get(9), value.get(6)) &&
    (!value.has(10) || (isArray(events, 1, 16) && events.every((event) => isUints(event, 3)))) &&
    (!value.has(11) || (isArray(seen, 2, 2) && isUint(seen[0], 0, MAX) && isBytes(seen[1], 8)))
  );
}

/** Decode, check, encode, compare: what the one-pass parser has to agree with. */
function isFrameByLibrary(bytes: Uint8Array): boolean {
  let value: unknown;
  try {
    value = decode(bytes, { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true });
  } catch {
    return false;
  }
  return isFrame(value) && bytesEqual(encode(value, rfc8949EncodeOptions), bytes);
}

// ---- Changes: of bytes, and of values before encoding.

const TELLING = [
  0x00, 0x01, 0x07, 0x08, 0x0b, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1f, 0x20, 0x40, 0x58, 0x60, 0x80, 0x83, 0x9f, 0xa0,
  0xbf, 0xc2, 0xf4, 0xf6, 0xf7, 0xf9, 0xff,
];
const someByte = () => (random() < 0.5 ? TELLING[below(TELLING.length)]! : below(256));

function changeBytes(bytes: Uint8Array): Uint8Array {
  const list = [...bytes];
  for (let edits = 1 + below(3); edits > 0; edits--) {
    const at = below(list.length);
    const way = below(5);
    if (way === 0) list.splice(at, 1);
    else if (way === 1) list.splice(at, 0, someByte());
    else if (way === 2) list[at] = (list[at] ?? 0) ^ (1 << below(8));
    else if (way === 3) list[at] = (list[at]! + (random() < 0.5 ? 1 : 255)) & 255;
    else list[at] = someByte();
  }
  return Uint8Array.from(list);
}

const VALUES: (() => unknown)[] = [
  () => [0, 1, 2, 4, 5, 6, 7, 8, 16, 23, 24, 255, 256, 86_400, 86_401][below(15)],
  () => [2 ** 32 - 1, 2 ** 32, MAX, 2n ** 53n, 2n ** 64n - 1n][below(5)],
  () => [-1, 0.5, true, null, 'x', undefined][below(6)],
  () => new Uint8Array(below(40)),
  () => [],
  () => new Map([[1, 1]]),
];

/** One value somewhere inside becomes another, goes, or comes twice. */
function changeValue(bytes: Uint8Array): Uint8Array {
  const root = decode(bytes, { useMaps: true }) as Map<number, unknown>;
  const way = random();
  if (way < 0.1) root.delete(1 + below(11));
  else if (way < 0.2) root.set(below(14), VALUES[below(VALUES.length)]!());
  else changeInside(root, 1 + below(11));
  return encode(root, rfc8949EncodeOptions);
}

function changeInside(root: Map<number, unknown>, key: number): void {
  const value: unknown = root.get(key);
  if (Array.isArray(value) && value.length > 0 && random() < 0.9) changeItem(value);
  else if (root.has(key)) root.set(key, VALUES[below(VALUES.length)]!());
}

function changeItem(list: unknown[]): void {
  const at = below(list.length);
  const item = list[at];
  if (Array.isArray(item) && item.length > 0 && random() < 0.9) {
    changeItem(item);
    return;
  }
  const way = below(6);
  if (way === 0) list.splice(at, 1);
  else if (way === 1) list.splice(at, 0, item);
  else if (way === 2 && typeof item === 'number') list[at] = item + 1;
  else list[at] = VALUES[below(VALUES.length)]!();
}

function accepts(bytes: Uint8Array): boolean {
  try {
    const frame = parseFramePayload(bytes);
    if (!bytesEqual(encodeFramePayload(frame), bytes)) throw new Error('encodes to other bytes');
    return true;
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'bad-payload') return false;
    throw new Error(`seed ${SEED}, payload ${toHex(bytes)}`, { cause: error });
  }
}

describe(`the one-pass parser (seed ${SEED}, ${RUNS} payloads)`, () => {
  it('accepts exactly what a general library, the schema and the same bytes again accept', {
    timeout: 20_000 + RUNS / 5,
  }, () => {
    const counts = { accepted: 0, refused: 0 };
    let good = encodeFramePayload(randomFrame(random));
    for (let run = 0; run < RUNS; run++) {
      if (run % 10 === 0) good = encodeFramePayload(randomFrame(random));
      const bytes = run % 10 === 0 ? good : random() < 0.5 ? changeBytes(good) : changeValue(good);
      const accepted = accepts(bytes);
      if (accepted !== isFrameByLibrary(bytes))
        expect.fail(`seed ${SEED}: parser ${accepted ? 'accepts' : 'refuses'} ${toHex(bytes)}`);
      counts[accepted ? 'accepted' : 'refused']++;
    }
    // Both sides are well fed, or the comparison says little.
    expect(counts.accepted).toBeGreaterThan(RUNS / 6);
    expect(counts.refused).toBeGreaterThan(RUNS / 3);
  });
});
