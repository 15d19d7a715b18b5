import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BatchSize, MAX_BATCH_FRAMES, MIN_BATCH_FRAMES } from '../src/adapters/mqtt/batch-size.js';

it('halves a batch after a slow one and doubles it after a quick one, within its bounds', () => {
  const size = new BatchSize();
  expect(size.frames).toBe(MAX_BATCH_FRAMES);
  size.note(401);
  expect(size.frames).toBe(MAX_BATCH_FRAMES / 2);
  size.note(200);
  expect(size.frames).toBe(MAX_BATCH_FRAMES / 2);
  size.note(149);
  expect(size.frames).toBe(MAX_BATCH_FRAMES);
  fc.assert(
    fc.property(fc.array(fc.nat(20_000)), (all) => {
      for (const tookMs of all) size.note(tookMs);
      expect(Number.isInteger(size.frames)).toBe(true);
      expect(size.frames).toBeGreaterThanOrEqual(MIN_BATCH_FRAMES);
      expect(size.frames).toBeLessThanOrEqual(MAX_BATCH_FRAMES);
    }),
  );
});
