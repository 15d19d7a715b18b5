import type { RegisterSource } from '../modbus/answer.js';

interface Segment {
  readonly functionCode: 3 | 4;
  readonly address: number;
  readonly words: readonly number[];
}

/** The registers of a device at one moment: runs of words; between the runs there is nothing. */
export class RegisterImage implements RegisterSource {
  readonly functions: readonly (3 | 4)[];
  readonly #segments: readonly Segment[];

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
    this.functions = [...new Set(segments.map((segment) => segment.functionCode))];
  }

  read(functionCode: 3 | 4, address: number, count: number): readonly number[] | undefined {
    for (const segment of this.#segments) {
      const start = address - segment.address;
      if (segment.functionCode !== functionCode || start < 0 || start + count > segment.words.length) continue;
      return segment.words.slice(start, start + count);
    }
    return undefined;
  }
}
