import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { SimError, type SimErrorCode } from './errors.js';

/**
 * Untrusted: an object from a file or a line, read strictly. Unknown keys are refused with the nearest right one,
 * values outside their bounds with what was expected and what came.
 */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #where: string;
  readonly #code: SimErrorCode;

  constructor(value: unknown, where: string, code: SimErrorCode, known: readonly string[]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SimError(code, `${where}: expected an object, got ${show(value)}`);
    }
    this.#values = value as Record<string, unknown>;
    this.#where = where;
    this.#code = code;
    for (const key of Object.keys(value)) if (!known.includes(key)) throw this.#unknownKey(key, known);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name) && this.#values[name] !== undefined;
  }

  raw(name: string): unknown {
    return this.has(name) ? this.#values[name] : undefined;
  }

  text(name: string, maxLength = 1024): string {
    const value = this.raw(name);
    if (typeof value !== 'string' || value.length === 0 || value.length > maxLength) {
      throw this.#wrong(name, `a text of 1 to ${maxLength} characters`);
    }
    return value;
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.raw(name);
    const choice = choices.find((one) => one === value);
    if (choice !== undefined) return choice;
    const nearest = typeof value === 'string' ? nearestName(value, choices) : undefined;
    const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
    throw this.#wrong(name, `one of ${choices.join(', ')}${hint}`);
  }

  number(name: string, { min, max }: { min: number; max: number }): number {
    const value = this.raw(name);
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw this.#wrong(name, `a number from ${min} to ${max}`);
    }
    return value;
  }

  integer(name: string, { min, max }: { min: number; max: number }): number {
    const value = this.raw(name);
    if (!Number.isSafeInteger(value)) throw this.#wrong(name, `a whole number from ${min} to ${max}`);
    return this.number(name, { min, max });
  }

  list(name: string, { min, max }: { min: number; max: number }): readonly unknown[] {
    const value = this.raw(name);
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      throw this.#wrong(name, `a list of ${min} to ${max}`);
    }
    return value;
  }

  #wrong(name: string, expected: string): SimError {
    return new SimError(this.#code, `${this.#where}: ${name}: expected ${expected}, got ${show(this.raw(name))}`);
  }

  #unknownKey(key: string, known: readonly string[]): SimError {
    const nearest = nearestName(key, known);
    const hint = nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`;
    return new SimError(this.#code, `${this.#where}: unknown key ${show(key)}: ${hint}`);
  }
}

/** A value as it was written, cut so that a hostile one does not fill the screen. */
export function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
