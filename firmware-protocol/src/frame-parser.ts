import { CborReader, MAJOR } from './cbor-reader.js';
import { HASH_BYTES } from './crypto.js';
import { FRAME_LIMITS, type FrameChannel, type FrameEvent, type FramePayload, type Quantity } from './frame.js';

const TWO_64 = 1n << 64n;
/** Keys 1 to 9 are always there, 10 and 11 may be. */
const MIN_KEYS = 9;
const MAX_KEYS = 11;

/**
 * The payload of a frame, strictly and in one pass: limits before allocation, canonical form as the bytes go by, every rule
 * of PROTOCOL 2.2 to 2.6. Throws `bad-payload` saying what, expected and got. Called only after the signature held; the
 * bytes are still a stranger's in everything else. Accepts exactly what a general decoder, the schema and the same bytes
 * again on encoding would accept.
 */
export function parseFramePayload(bytes: Uint8Array): FramePayload {
  const reader = new CborReader(bytes, 'bad-payload');
  const keys = reader.map('payload', MAX_KEYS);
  if (keys < MIN_KEYS) throw reader.fail('payload', `at least ${MIN_KEYS} keys`, String(keys));
  expectKey(reader, 1);
  const version = reader.uint('version');
  if (version !== FRAME_LIMITS.version) throw reader.fail('version', '1', String(version));
  expectKey(reader, 2);
  const epoch = positive(reader, 'epoch', FRAME_LIMITS.maxEpoch);
  expectKey(reader, 3);
  const number = positive(reader, 'number', Number.MAX_SAFE_INTEGER);
  expectKey(reader, 4);
  const previous = reader.bytes('previous', HASH_BYTES);
  expectKey(reader, 5);
  const startS = reader.uint('start');
  expectKey(reader, 6);
  const step = readStep(reader);
  expectKey(reader, 7);
  const clock = readClock(reader);
  expectKey(reader, 8);
  const mono = readMono(reader);
  expectKey(reader, 9);
  const channels = readChannels(reader, step);
  const rest = readOptional(reader, keys - MIN_KEYS);
  reader.end('payload');
  return { epoch, number, previous, startS, step, clock, mono, channels, ...rest };
}

function expectKey(reader: CborReader, key: number): void {
  const got = reader.uint('key');
  if (got !== key) throw reader.fail('key', String(key), String(got));
}

function expectArray(reader: CborReader, what: string, length: number): void {
  const got = reader.array(what, length);
  if (got !== length) throw reader.fail(what, `${length} items`, String(got));
}

function positive(reader: CborReader, what: string, max: number): number {
  const value = reader.uint(what, max);
  if (value === 0) throw reader.fail(what, 'at least 1', '0');
  return value;
}

/** A step in seconds, or one offset for each instant after the first, strictly rising. */
function readStep(reader: CborReader): number | number[] {
  if (reader.peek('step') === MAJOR.uint) return positive(reader, 'step', FRAME_LIMITS.maxOffsetS);
  const count = reader.array('step', FRAME_LIMITS.maxInstants - 1);
  const offsets: number[] = [];
  let before = 0;
  for (let i = 0; i < count; i++) {
    const offset = reader.uint('step offset', FRAME_LIMITS.maxOffsetS);
    if (offset <= before) throw reader.fail('step offset', `more than ${before}`, String(offset));
    offsets.push(offset);
    before = offset;
  }
  return offsets;
}

function readClock(reader: CborReader): FramePayload['clock'] {
  expectArray(reader, 'clock', 3);
  const source = reader.uint('clock source', FRAME_LIMITS.maxClockSource);
  const errorMs = reader.uint('clock error');
  const ageS = reader.uint('clock age');
  return { source, errorMs, ageS };
}

function readMono(reader: CborReader): FramePayload['mono'] {
  expectArray(reader, 'mono', 2);
  const boot = reader.uint('boot');
  const uptimeMs = reader.uint('uptime');
  return { boot, uptimeMs };
}

function readChannels(reader: CborReader, step: number | readonly number[]): FrameChannel[] {
  const count = reader.array('channels', FRAME_LIMITS.maxChannels);
  if (count === 0) throw reader.fail('channels', 'at least one', 'none');
  const channels: FrameChannel[] = [];
  // A step in seconds leaves the number of instants to the first channel.
  let deltaCount = typeof step === 'number' ? -1 : step.length;
  for (let i = 0; i < count; i++) {
    const channel = readChannel(reader, deltaCount);
    deltaCount = channel.deltas.length;
    const before = channels[i - 1];
    if (before !== undefined && !isAfter(channel, before)) {
      throw reader.fail(
        'channel',
        `(meter, quantity) above (${before.meterIndex}, ${before.quantity})`,
        `(${channel.meterIndex}, ${channel.quantity})`,
      );
    }
    channels.push(channel);
  }
  if (deltaCount === 0 && typeof step === 'number') throw reader.fail('step', '[] for a single instant', String(step));
  return channels;
}

function isAfter(channel: FrameChannel, before: FrameChannel): boolean {
  if (channel.meterIndex !== before.meterIndex) return channel.meterIndex > before.meterIndex;
  return channel.quantity > before.quantity;
}

/** One channel; `deltaCount` is the number of deltas it must have, -1 where it may choose. */
function readChannel(reader: CborReader, deltaCount: number): FrameChannel {
  expectArray(reader, 'channel', 5);
  const meterIndex = reader.uint('meter index');
  const quantity = positive(reader, 'quantity', FRAME_LIMITS.maxQuantity) as Quantity;
  const status = reader.uint('status', FRAME_LIMITS.maxStatus);
  const first = reader.uint64('first value');
  const count = reader.array('deltas', FRAME_LIMITS.maxInstants - 1);
  if (deltaCount >= 0 && count !== deltaCount)
    throw reader.fail('deltas', `${deltaCount}, one per instant after the first`, String(count));
  const deltas: number[] = [];
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const delta = reader.uint('delta');
    deltas.push(delta);
    sum += delta;
  }
  if (overflows(first, sum, deltas)) throw reader.fail('channel', 'values below 2^64', 'more');
  return { meterIndex, quantity, status, first, deltas };
}

/** Whether the last value passes 64 bits; exact, by bigint for each delta only where the plain sum may have rounded. */
function overflows(first: bigint, sum: number, deltas: readonly number[]): boolean {
  if (sum <= Number.MAX_SAFE_INTEGER) return first + BigInt(sum) >= TWO_64;
  let value = first;
  for (const delta of deltas) value += BigInt(delta);
  return value >= TWO_64;
}

/** Keys 10 and 11, each at most once, in order; `left` is how many keys the map still announces. */
function readOptional(reader: CborReader, left: number): Pick<FramePayload, 'events' | 'seen'> {
  if (left === 0) return {};
  const key = reader.uint('key');
  if (key === 10) {
    const events = readEvents(reader);
    if (left === 1) return { events };
    expectKey(reader, 11);
    return { events, seen: readSeen(reader) };
  }
  if (key !== 11 || left > 1) throw reader.fail('key', left > 1 ? '10 then 11' : '10 or 11', String(key));
  return { seen: readSeen(reader) };
}

function readEvents(reader: CborReader): FrameEvent[] {
  const count = reader.array('events', FRAME_LIMITS.maxEvents);
  if (count === 0) throw reader.fail('events', 'no key when there are none', 'an empty array');
  const events: FrameEvent[] = [];
  for (let i = 0; i < count; i++) {
    expectArray(reader, 'event', 3);
    const offsetS = reader.uint('event offset');
    const code = reader.uint('event code');
    const argument = reader.uint('event argument');
    events.push({ offsetS, code, argument });
  }
  return events;
}

function readSeen(reader: CborReader): NonNullable<FramePayload['seen']> {
  expectArray(reader, 'seen', 2);
  const size = reader.uint('seen size');
  const rootStart = reader.bytes('seen root', FRAME_LIMITS.seenRootBytes);
  return { size, rootStart };
}
