import { ProtocolError } from './errors.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUE = new Map([...ALPHABET].map((letter, value) => [letter, value]));

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const bits = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!;
    text += left > 1 ? ALPHABET[(bits >> 6) & 63]! : '=';
    text += left > 2 ? ALPHABET[bits & 63]! : '=';
  }
  return text;
}

/**
 * Standard base64, padded and canonical, to bytes. Throws `bad-base64` for the URL alphabet, white space, missing padding
 * and stray bits under it, so that two texts never mean the same bytes.
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw bad(text);
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  for (let i = 0, at = 0; i < text.length; i += 4, at += 3) {
    const letters = i + 4 === text.length ? 4 - padding : 4;
    let bits = 0;
    for (let j = 0; j < 4; j++) bits = (bits << 6) | (j < letters ? digit(text, i + j) : 0);
    // Bytes past the end of a typed array are dropped.
    out[at] = bits >> 16;
    out[at + 1] = (bits >> 8) & 255;
    out[at + 2] = bits & 255;
    if ((letters === 2 && (bits & 0xffff) !== 0) || (letters === 3 && (bits & 0xff) !== 0)) throw bad(text);
  }
  return out;
}

function digit(text: string, at: number): number {
  const value = VALUE.get(text[at]!);
  if (value === undefined) throw bad(text);
  return value;
}

function bad(text: string): ProtocolError {
  return new ProtocolError(
    'bad-base64',
    `base64: expected the padded standard alphabet, got ${JSON.stringify(text.slice(0, 80))}`,
  );
}
