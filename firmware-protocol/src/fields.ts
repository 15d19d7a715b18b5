import { type CborKey, type CborValue, decodeCbor } from './cbor.js';
import { ProtocolError, type ProtocolErrorCode } from './errors.js';

/**
 * Takes the fields of a decoded map by their small integer keys, each of the type and within the limits that are asked for,
 * and refuses what is left over. For messages that are rarer than frames.
 */
export class Fields {
  readonly #map: ReadonlyMap<CborKey, CborValue>;
  readonly #code: ProtocolErrorCode;
  readonly #what: string;
  #taken = 0;

  constructor(value: CborValue | undefined, what: string, code: ProtocolErrorCode) {
    this.#what = what;
    this.#code = code;
    if (!(value instanceof Map)) throw this.fail('a map', describe(value));
    this.#map = value;
  }

  has(key: number): boolean {
    return this.#map.has(key);
  }

  uint(key: number, name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(key);
    if (typeof value !== 'number' || value < min || value > max) throw this.#wrong(name, `${min} to ${max}`, value);
    return value;
  }

  bytes(key: number, name: string, min: number, max = min): Uint8Array {
    const value = this.#take(key);
    if (!(value instanceof Uint8Array) || value.length < min || value.length > max) {
      throw this.#wrong(name, min === max ? `${min} bytes` : `${min} to ${max} bytes`, value);
    }
    return value;
  }

  text(key: number, name: string): string {
    const value = this.#take(key);
    if (typeof value !== 'string') throw this.#wrong(name, 'a text', value);
    return value;
  }

  array(key: number, name: string, min: number, max: number): readonly CborValue[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      throw this.#wrong(name, `${min} to ${max} items`, value);
    }
    return value;
  }

  /** Refuses keys that nobody took. */
  end(): void {
    if (this.#taken !== this.#map.size) throw this.fail('no further keys', [...this.#map.keys()].join(', '));
  }

  fail(expected: string, got: string): ProtocolError {
    return new ProtocolError(this.#code, `${this.#what}: expected ${expected}, got ${got}`);
  }

  #take(key: number): CborValue | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) this.#taken++;
    return value;
  }

  #wrong(name: string, expected: string, value: CborValue | undefined): ProtocolError {
    return new ProtocolError(this.#code, `${this.#what}: ${name}: expected ${expected}, got ${describe(value)}`);
  }
}

/** Decodes untrusted bytes with limits that fit a message; throws `code`. */
export function decodeMessage(bytes: Uint8Array, maxBytes: number, code: ProtocolErrorCode): CborValue {
  return decodeCbor(bytes, { maxBytes, maxDepth: 4, code });
}

export function describe(value: CborValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Map) return 'a map';
  if (Array.isArray(value)) return `${value.length} items`;
  return typeof value;
}
