import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  decodeReadings,
  decodeRegister,
  decodeScaleFactor,
  findProfile,
  floorScaled,
  planReads,
  type RegisterType,
  type SunSpecLayout,
  type WordOrder,
} from '../src/registers/index.js';

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

const toWordList = (hex: string): number[] => hex.split(' ').map((word) => Number.parseInt(word, 16));

interface DecodeVectors {
  cases: { desc: string; type: RegisterType; order: WordOrder; words: string; value: string | number | null }[];
  scaleFactors: { desc: string; word: string; value: number | null }[];
  floors: { desc: string; float?: number; integer?: string; power: number; value: string }[];
}

interface ReadingVectors {
  cases: {
    desc: string;
    profile: string;
    layout?: SunSpecLayout;
    blocks: { function: 3 | 4; address: number; count: number; words: string }[];
    counters: Record<string, string | null>;
    powerW: object;
    serial?: string;
    moved?: boolean;
  }[];
}

describe('words of one value', () => {
  const { cases, scaleFactors, floors } = vectors<DecodeVectors>('registers-decode.json');

  it.each(cases)('$type $order: $desc', ({ type, order, words, value }) => {
    const expected = typeof value === 'string' ? BigInt(value) : (value ?? 'absent');
    expect(decodeRegister(type, toWordList(words), order)).toBe(expected);
  });

  it.each(scaleFactors)('$desc', ({ word, value }) => {
    expect(decodeScaleFactor(Number.parseInt(word, 16))).toBe(value ?? 'absent');
  });

  it.each(floors)('floor: $desc', ({ float, integer, power, value }) => {
    expect(floorScaled(float ?? BigInt(integer ?? ''), power)).toBe(BigInt(value));
  });
});

describe('whole answers', () => {
  const { cases } = vectors<ReadingVectors>('registers-readings.json');

  it.each(cases)('$profile: $desc', ({ profile: name, layout, blocks, counters, powerW, serial, moved }) => {
    const profile = findProfile(name);
    const plan = planReads(profile, layout);
    const answered = blocks.map(({ words, ...at }) => {
      const block = plan.find((one) => one.address === at.address && one.function === at.function);
      expect(block).toMatchObject(at);
      return { block: block!, words: toWordList(words) };
    });
    const readings = decodeReadings(profile, answered, layout);
    const said = Object.fromEntries(
      readings.counters.map(({ quantity, value }) => [quantity, value === 'absent' ? null : String(value)]),
    );
    expect(said).toEqual(counters);
    expect(readings.powerW).toEqual(powerW);
    expect(readings.serial).toBe(serial);
    expect(readings.moved).toBe(moved ?? false);
  });
});
