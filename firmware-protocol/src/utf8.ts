import { ProtocolError } from './errors.js';

/** UTF-8 of a text. Throws `bad-text` for half a surrogate pair, which has no UTF-8. */
export function utf8Encode(text: string): Uint8Array {
  return asciiEncode(text) ?? wideEncode(text);
}

/** Most texts are topics, origins and ids: a byte a character. */
function asciiEncode(text: string): Uint8Array | undefined {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return undefined;
    out[i] = unit;
  }
  return out;
}

function wideEncode(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 3);
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i)!;
    if (point >= 0xd800 && point <= 0xdfff) {
      throw new ProtocolError('bad-text', `text: expected whole characters, got half a surrogate pair at ${i}`);
    }
    if (point > 0xffff) i++;
    at = writePoint(out, at, point);
  }
  return out.slice(0, at);
}

function writePoint(out: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    out[at] = point;
    return at + 1;
  }
  if (point < 0x800) {
    out[at] = 0xc0 | (point >> 6);
    out[at + 1] = 0x80 | (point & 0x3f);
    return at + 2;
  }
  if (point < 0x10000) {
    out[at] = 0xe0 | (point >> 12);
    out[at + 1] = 0x80 | ((point >> 6) & 0x3f);
    out[at + 2] = 0x80 | (point & 0x3f);
    return at + 3;
  }
  out[at] = 0xf0 | (point >> 18);
  out[at + 1] = 0x80 | ((point >> 12) & 0x3f);
  out[at + 2] = 0x80 | ((point >> 6) & 0x3f);
  out[at + 3] = 0x80 | (point & 0x3f);
  return at + 4;
}

/**
 * Untrusted bytes to text, strictly: overlong forms, surrogates, points past U+10FFFF and cut sequences throw `bad-text`.
 * Nothing is replaced, so the text encodes to the same bytes again.
 */
export function utf8Decode(bytes: Uint8Array): string {
  const pieces: string[] = [];
  let points: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const width = sequenceWidth(bytes[at]!);
    const point = width === 1 ? bytes[at]! : readPoint(bytes, at, width);
    points.push(point);
    at += width;
    // Spread arguments live on the stack: hand them over in pieces.
    if (points.length === 4096) {
      pieces.push(String.fromCodePoint(...points));
      points = [];
    }
  }
  pieces.push(String.fromCodePoint(...points));
  return pieces.join('');
}

/** Width announced by a first byte; 0 where no sequence begins so. */
function sequenceWidth(first: number): number {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

const SMALLEST_OF_WIDTH = [0, 0, 0x80, 0x800, 0x10000];

function readPoint(bytes: Uint8Array, at: number, width: number): number {
  if (width === 0 || at + width > bytes.length) throw badSequence(at);
  let point = bytes[at]! & (0x7f >> width);
  for (let i = 1; i < width; i++) {
    const next = bytes[at + i]!;
    if ((next & 0xc0) !== 0x80) throw badSequence(at);
    point = (point << 6) | (next & 0x3f);
  }
  if (point < SMALLEST_OF_WIDTH[width]! || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
    throw badSequence(at);
  return point;
}

function badSequence(at: number): ProtocolError {
  return new ProtocolError('bad-text', `text: expected UTF-8, got a wrong sequence at byte ${at}`);
}
