import type { FrameChannel, FramePayload, Quantity } from '../src/frame.js';

/** Frames of very different shape and size, made from nothing but a seeded source of chance. */
export function randomFrame(random: () => number): FramePayload {
  const below = (limit: number) => Math.floor(random() * limit);
  // Numbers of every width of head, small ones often.
  const number = (max: number) => Math.min(max, Math.floor(2 ** (random() * Math.log2(max + 1))));
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(256));
  const deltaCount = pick(random, [0, 0, 1, 2, 4, 14, 23, 24]);
  return {
    epoch: 1 + number(0xffff_fffe),
    number: 1 + number(Number.MAX_SAFE_INTEGER - 1),
    previous: bytes(32),
    startS: number(Number.MAX_SAFE_INTEGER),
    step: deltaCount > 0 && random() < 0.5 ? 1 + below(86_400) : offsets(deltaCount, below),
    clock: { source: below(5), errorMs: number(Number.MAX_SAFE_INTEGER), ageS: number(100_000) },
    mono: { boot: number(100_000), uptimeMs: number(Number.MAX_SAFE_INTEGER) },
    channels: channels(random, deltaCount),
    ...(random() < 0.4 && {
      events: Array.from({ length: 1 + below(16) }, () => ({
        offsetS: number(86_400),
        code: number(300),
        argument: number(2 ** 40),
      })),
    }),
    ...(random() < 0.4 && { seen: { size: number(Number.MAX_SAFE_INTEGER), rootStart: bytes(8) } }),
  };
}

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

function offsets(count: number, below: (limit: number) => number): number[] {
  const list: number[] = [];
  for (let i = 0, last = 0; i < count; i++) {
    last += 1 + below(3000);
    list.push(last);
  }
  return list;
}

function channels(random: () => number, deltaCount: number): FrameChannel[] {
  const below = (limit: number) => Math.floor(random() * limit);
  const list: FrameChannel[] = [];
  let meterIndex = below(3);
  let quantity = 0;
  const count = 1 + below(pick(random, [1, 3, 16]));
  for (let i = 0; i < count; i++) {
    quantity += 1 + below(3);
    if (quantity > 7) {
      meterIndex += 1 + below(300);
      quantity = 1 + below(7);
    }
    const first = (BigInt(below(2 ** 30)) << 32n) + BigInt(below(2 ** 32));
    const deltas = Array.from({ length: deltaCount }, () => below(pick(random, [2, 24, 300, 70_000])));
    list.push({
      meterIndex,
      quantity: quantity as Quantity,
      status: below(7),
      first: first >> BigInt(below(63)),
      deltas,
    });
  }
  return list;
}
