import { ProtocolError } from '../errors.js';
import { type Absent, REGISTER_SHAPES, type RegisterType, type WordOrder } from './decode.js';

/** Splits the lowest 16 x count bits of a value into words. Throws `bad-register` if the value does not fit. */
export function encodeUint(value: bigint, count: number, order: WordOrder = 'high-first'): number[] {
  if (value < 0n || value >= 1n << BigInt(16 * count)) {
    throw new ProtocolError('bad-register', `an unsigned value of ${count} words cannot be ${value}`);
  }
  return toWordList(value, count, order);
}

/** Two's complement. Throws `bad-register` if the value does not fit. */
export function encodeInt(value: bigint, count: number, order: WordOrder = 'high-first'): number[] {
  const bits = 16 * count;
  if (BigInt.asIntN(bits, value) !== value) {
    throw new ProtocolError('bad-register', `a signed value of ${count} words cannot be ${value}`);
  }
  return toWordList(BigInt.asUintN(bits, value), count, order);
}

/** IEEE 754, rounded to the nearest float of two or four words. Throws `bad-register` on NaN, infinities, overflow. */
export function encodeFloat(value: number, count: 2 | 4, order: WordOrder = 'high-first'): number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (count === 2) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  const stored = count === 2 ? view.getFloat32(0) : view.getFloat64(0);
  if (!Number.isFinite(stored)) {
    throw new ProtocolError('bad-register', `a float of ${count} words cannot be ${value}`);
  }
  const bits = count === 2 ? BigInt(view.getUint32(0)) : view.getBigUint64(0);
  return toWordList(bits, count, order);
}

/** The words of a value of the given type, or of the type's sentinel. Throws `bad-register` if it does not fit. */
export function toWords(
  type: RegisterType,
  value: bigint | number | Absent,
  order: WordOrder = 'high-first',
): number[] {
  const shape = REGISTER_SHAPES[type];
  if (value === 'absent') return toWordList(shape.absentBits, shape.words, order);
  if (shape.form === 'float') return encodeFloat(Number(value), shape.words === 2 ? 2 : 4, order);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new ProtocolError('bad-register', `${type} holds whole numbers, got ${value}`);
  }
  const whole = BigInt(value);
  return shape.form === 'signed' ? encodeInt(whole, shape.words, order) : encodeUint(whole, shape.words, order);
}

/** ASCII, two characters a word, high byte first, padded with NUL: SunSpec's `string`. */
export function toStringWords(text: string, count: number): number[] {
  const words: number[] = [];
  for (let index = 0; index < count; index++) {
    words.push((asciiAt(text, 2 * index) << 8) | asciiAt(text, 2 * index + 1));
  }
  return words;
}

function asciiAt(text: string, index: number): number {
  const code = index < text.length ? text.charCodeAt(index) : 0;
  return code < 0x80 ? code : 0x3f;
}

function toWordList(bits: bigint, count: number, order: WordOrder): number[] {
  const words: number[] = [];
  for (let index = count - 1; index >= 0; index--) words.push(Number((bits >> BigInt(16 * index)) & 0xffffn));
  return order === 'high-first' ? words : words.toReversed();
}
