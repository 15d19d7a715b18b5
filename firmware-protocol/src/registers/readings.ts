import type { Quantity } from '../frame.js';
import { type Absent, decodeRegister, decodeScaleFactor, decodeUint, floorScaled, REGISTER_SHAPES } from './decode.js';
import { placeOf, type ReadBlock } from './plan.js';
import type { Profile, ProfileChannel, RegisterPoint } from './profile.js';
import type { SunSpecLayout } from './sunspec.js';

/** What the device answered to one planned read. A read that failed has no entry. */
export interface BlockWords {
  readonly block: ReadBlock;
  readonly words: readonly number[];
}

/** A counter in its channel's own unit, 0 <= value < 2^64, or absent. */
export interface CounterReading {
  readonly quantity: Quantity;
  readonly value: bigint | Absent;
}

/** Everything one cycle said. */
export interface Readings {
  readonly counters: readonly CounterReading[];
  readonly powerW: {
    /** At the connection point: positive for import, negative for export. */
    readonly gridW?: number;
    /** What the roof gives. */
    readonly generationW?: number;
  };
  readonly serial?: string;
  /** A SunSpec block no longer begins with its model's header: walk the chain again before the next cycle. */
  readonly moved: boolean;
}

const COUNTER_LIMIT = 1n << 64n;

/**
 * Untrusted: words come from the device. Values whose block is missing, short or moved, sentinels, scale factors
 * that are none, negative counters and counters from 2^64 on are absent; nothing here throws on a device's account.
 */
export function decodeReadings(profile: Profile, blocks: readonly BlockWords[], layout?: SunSpecLayout): Readings {
  const whole = blocks.filter(({ block, words }) => words.length === block.count && words.every(isWord));
  const current = whole.filter(({ block, words }) => !hasMoved(block, words));
  const read = (point: RegisterPoint, address: number, count: number) =>
    wordsAt(current, placeOf(profile, { ...point, address, count }, layout));
  const serial = serialOf(profile, current, layout);
  return {
    counters: profile.channels.map((channel) => ({
      quantity: channel.quantity,
      value: counterValue(profile, channel, read),
    })),
    powerW: powersOf(profile, read),
    ...(serial === undefined ? {} : { serial }),
    moved: current.length < whole.length,
  };
}

/** The serial number in the words that `planSerialRead` asked for; undefined where the device has none. */
export function decodeSerial(profile: Profile, words: readonly number[]): string | undefined {
  const { serial } = profile;
  if (serial === undefined || words.length !== serial.count || !words.every(isWord)) return undefined;
  if (serial.form === 'text') return textOf(words);
  const bits = decodeUint(words, profile.wordOrder);
  return bits === REGISTER_SHAPES.uint32.absentBits ? undefined : String(bits);
}

type PointReader = (point: RegisterPoint, address: number, count: number) => readonly number[] | undefined;

function counterValue(profile: Profile, channel: ProfileChannel, read: PointReader): bigint | Absent {
  const raw = scaledPoint(profile, channel.point, read);
  if (raw === 'absent' || raw.value < 0 || (raw.value <= 0 && !channel.zeroIsValue)) return 'absent';
  const value = floorScaled(raw.value, channel.unitExponent + raw.scale - channel.exponent);
  return value < COUNTER_LIMIT ? value : 'absent';
}

function powersOf(profile: Profile, read: PointReader): Readings['powerW'] {
  const powers: { gridW?: number; generationW?: number } = {};
  for (const { kind, point } of profile.powers) {
    const raw = scaledPoint(profile, point, read);
    if (raw === 'absent') continue;
    // Dividing by an exact power of ten rounds once; multiplying by 10 ** -n would round twice.
    const watts = raw.scale < 0 ? Number(raw.value) / 10 ** -raw.scale : Number(raw.value) * 10 ** raw.scale;
    if (kind === 'grid') powers.gridW = watts;
    else powers.generationW = watts;
  }
  return powers;
}

/** The raw value and its scale factor from the same block; a point whose factor is none has no value. */
function scaledPoint(
  profile: Profile,
  point: RegisterPoint,
  read: PointReader,
): { value: bigint | number; scale: number } | Absent {
  const words = read(point, point.address, REGISTER_SHAPES[point.type].words);
  if (words === undefined) return 'absent';
  const value = decodeRegister(point.type, words, profile.wordOrder);
  if (value === 'absent') return 'absent';
  if (point.scaleAddress === undefined) return { value, scale: 0 };
  const factor = read(point, point.scaleAddress, 1)?.[0];
  const scale = factor === undefined ? 'absent' : decodeScaleFactor(factor);
  return scale === 'absent' ? 'absent' : { value, scale };
}

function serialOf(profile: Profile, blocks: readonly BlockWords[], layout?: SunSpecLayout): string | undefined {
  const { serial } = profile;
  if (serial === undefined || !serial.everyCycle) return undefined;
  const words = wordsAt(blocks, placeOf(profile, serial, layout));
  return words === undefined ? undefined : decodeSerial(profile, words);
}

function wordsAt(blocks: readonly BlockWords[], place: ReadBlock | undefined): readonly number[] | undefined {
  if (place === undefined) return undefined;
  for (const { block, words } of blocks) {
    const start = place.address - block.address;
    if (block.function !== place.function || start < 0 || start + place.count > block.count) continue;
    return words.slice(start, start + place.count);
  }
  return undefined;
}

function hasMoved(block: ReadBlock, words: readonly number[]): boolean {
  return block.model !== undefined && (words[0] !== block.model.id || words[1] !== block.model.length);
}

/** SunSpec `string`: two characters a word, padded with NUL; some devices pad with blanks. */
function textOf(words: readonly number[]): string | undefined {
  let text = '';
  for (const word of words) {
    for (const code of [word >> 8, word & 0xff]) if (code >= 0x20 && code < 0x7f) text += String.fromCharCode(code);
  }
  const trimmed = text.trim();
  return trimmed === '' ? undefined : trimmed;
}

function isWord(word: number): boolean {
  return Number.isInteger(word) && word >= 0 && word <= 0xffff;
}
