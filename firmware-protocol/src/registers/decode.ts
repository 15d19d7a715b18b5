import { ProtocolError } from '../errors.js';

/** Which 16-bit word of a longer value comes first on the wire. Bytes inside a word are always big-endian. */
export type WordOrder = 'high-first' | 'low-first';

/** A register that is there but says nothing: a sentinel, a NaN, a counter that is not kept. */
export type Absent = 'absent';

/** The types of SunSpec's information model that a counter, a power or a serial number can have. */
export type RegisterType =
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'acc16'
  | 'acc32'
  | 'acc64'
  | 'float32'
  | 'float64'
  | 'sunssf';

/** How many words a type fills, how its bits are read, and which raw bits mean "not implemented". */
export interface RegisterShape {
  readonly words: 1 | 2 | 4;
  readonly form: 'signed' | 'unsigned' | 'float';
  /** Raw bits that are no value. Every NaN and both infinities are no value for floats, whatever stands here. */
  readonly absentBits: bigint;
}

/**
 * SunSpec Device Information Model specification, "not implemented" values. An accumulator is absent at 0, and its
 * all-ones value is an ordinary count.
 */
export const REGISTER_SHAPES: Readonly<Record<RegisterType, RegisterShape>> = {
  int16: { words: 1, form: 'signed', absentBits: 0x8000n },
  uint16: { words: 1, form: 'unsigned', absentBits: 0xffffn },
  int32: { words: 2, form: 'signed', absentBits: 0x8000_0000n },
  uint32: { words: 2, form: 'unsigned', absentBits: 0xffff_ffffn },
  int64: { words: 4, form: 'signed', absentBits: 0x8000_0000_0000_0000n },
  uint64: { words: 4, form: 'unsigned', absentBits: 0xffff_ffff_ffff_ffffn },
  acc16: { words: 1, form: 'unsigned', absentBits: 0n },
  acc32: { words: 2, form: 'unsigned', absentBits: 0n },
  acc64: { words: 4, form: 'unsigned', absentBits: 0n },
  float32: { words: 2, form: 'float', absentBits: 0x7fc0_0000n },
  float64: { words: 4, form: 'float', absentBits: 0x7ff8_0000_0000_0000n },
  sunssf: { words: 1, form: 'signed', absentBits: 0x8000n },
};

/** Scale factors outside -10..10 are a device error, and then the value they scale is unknown. */
const MAX_SCALE_FACTOR = 10;

/** Joins one, two or four words to their bits. Throws `bad-register` on another count or on a word outside 0..65535. */
export function decodeUint(words: readonly number[], order: WordOrder): bigint {
  if (words.length !== 1 && words.length !== 2 && words.length !== 4) {
    throw new ProtocolError('bad-register', `a value has 1, 2 or 4 words, got ${words.length}`);
  }
  const ordered = order === 'high-first' ? words : words.toReversed();
  let bits = 0n;
  for (const word of ordered) {
    if (!Number.isInteger(word) || word < 0 || word > 0xffff) {
      throw new ProtocolError('bad-register', `a word is an integer from 0 to 65535, got ${word}`);
    }
    bits = (bits << 16n) | BigInt(word);
  }
  return bits;
}

/** As decodeUint, read as two's complement. */
export function decodeInt(words: readonly number[], order: WordOrder): bigint {
  return BigInt.asIntN(words.length * 16, decodeUint(words, order));
}

/** IEEE 754 of two or four words; every NaN and both infinities are absent. Throws `bad-register` on another count. */
export function decodeFloat(words: readonly number[], order: WordOrder): number | Absent {
  const bits = decodeUint(words, order);
  const view = new DataView(new ArrayBuffer(8));
  let value: number;
  if (words.length === 2) {
    view.setUint32(0, Number(bits));
    value = view.getFloat32(0);
  } else if (words.length === 4) {
    view.setBigUint64(0, bits);
    value = view.getFloat64(0);
  } else {
    throw new ProtocolError('bad-register', `a float has 2 or 4 words, got ${words.length}`);
  }
  return Number.isFinite(value) ? value : 'absent';
}

/** A value of the given type: bigint for integers, number for floats. Throws `bad-register` on a wrong word count. */
export function decodeRegister(
  type: RegisterType,
  words: readonly number[],
  order: WordOrder = 'high-first',
): bigint | number | Absent {
  const shape = REGISTER_SHAPES[type];
  if (words.length !== shape.words) {
    throw new ProtocolError('bad-register', `${type} has ${shape.words} words, got ${words.length}`);
  }
  if (shape.form === 'float') return decodeFloat(words, order);
  const bits = decodeUint(words, order);
  if (bits === shape.absentBits) return 'absent';
  return shape.form === 'signed' ? BigInt.asIntN(words.length * 16, bits) : bits;
}

/** A SunSpec scale factor: the power of ten, or absent when it is the sentinel or outside -10..10. */
export function decodeScaleFactor(word: number): number | Absent {
  const value = Number(decodeInt([word], 'high-first'));
  return Math.abs(value) <= MAX_SCALE_FACTOR ? value : 'absent';
}

/**
 * floor(value x 10^power), exactly, for the integer or the exact binary fraction that the float is.
 * Precondition: value is finite and |power| <= 40.
 */
export function floorScaled(value: bigint | number, power: number): bigint {
  const { numerator, denominator } = toFraction(value);
  const scaled = power >= 0 ? numerator * 10n ** BigInt(power) : numerator;
  const divisor = power >= 0 ? denominator : denominator * 10n ** BigInt(-power);
  const quotient = scaled / divisor;
  return scaled < 0n && quotient * divisor !== scaled ? quotient - 1n : quotient;
}

/** A float is an integer over a power of two; doubling is exact until the fraction is gone. */
function toFraction(value: bigint | number): { numerator: bigint; denominator: bigint } {
  if (typeof value === 'bigint') return { numerator: value, denominator: 1n };
  let rest = value;
  let denominator = 1n;
  while (!Number.isInteger(rest)) {
    rest *= 2;
    denominator *= 2n;
  }
  return { numerator: BigInt(rest), denominator };
}
