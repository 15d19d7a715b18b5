/**
 * A test for each code of docs/ERRORS.md. The codes are literals at the call, so that tests/tidy/error-codes.test.ts can
 * read from the sources which ones are produced.
 */
import type { Verdict } from '@commonwatt/firmware-protocol';
import { expect, it } from 'vitest';

export type CodeOwner = 'firmware-protocol' | 'gateway' | 'ledger-service' | 'device-sim';

/** Something that makes a test of a name and a body: vitest's `it`, or `it.skipIf(...)` with the reason in the code. */
export type Register = (name: string, body: () => Promise<void>) => unknown;

/** `produce` goes through the outer door and gives the code that came out of it. */
export function producesCode(
  owner: CodeOwner,
  code: string,
  produce: () => unknown | Promise<unknown>,
  register: Register = it,
): void {
  register(`${owner}: ${code}`, () => expectProduced(code, produce));
}

/** `produce` sends over MQTT and gives the code in the answer. */
export function producesAnswer(
  code: number,
  name: Verdict,
  produce: () => number | Promise<number>,
  register: Register = it,
): void {
  register(`frame answer ${code}: ${name}`, () => expectProduced(code, produce));
}

async function expectProduced(code: string | number, produce: () => unknown | Promise<unknown>): Promise<void> {
  expect(await produce()).toBe(code);
}
