import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIRST_WINDOW, MAX_WINDOW, SendWindow } from '../src/core/send-window.js';

/** A ledger behind one queue: so many messages a second, in the order in which they came. */
function fleet(boxes: number, framesPerS: number, seconds: number) {
  const windows = Array.from({ length: boxes }, () => new SendWindow());
  const queue: { box: number; sentAtMs: number }[] = [];
  const onTheWay = windows.map(() => 0);
  const fill = (box: number, nowMs: number) => {
    for (; onTheWay[box]! < windows[box]!.size; onTheWay[box]! += 1) queue.push({ box, sentAtMs: nowMs });
  };
  for (let box = 0; box < boxes; box += 1) fill(box, 0);
  let waitedMs = 0;
  for (let n = 0; n < framesPerS * seconds; n += 1) {
    const nowMs = ((n + 1) * 1_000) / framesPerS;
    const { box, sentAtMs } = queue.shift()!;
    waitedMs = nowMs - sentAtMs;
    onTheWay[box]! -= 1;
    windows[box]!.answered(sentAtMs, nowMs);
    fill(box, nowMs);
  }
  return { queued: queue.length, waitedMs };
}

describe('how much a box has on the way', () => {
  it('grows while answers come quickly, up to a bound', () => {
    const window = new SendWindow();
    expect(window.size).toBe(FIRST_WINDOW);
    for (let n = 0; n < 10_000; n += 1) window.answered(n * 100, n * 100 + 20);
    expect(window.size).toBe(MAX_WINDOW);
  });

  it('halves once for all that was sent before it halved', () => {
    const window = new SendWindow();
    for (let n = 0; n < 10_000; n += 1) window.answered(n, n);
    for (let n = 0; n < MAX_WINDOW; n += 1) window.answered(10_000, 11_000 + n);
    expect(window.size).toBe(MAX_WINDOW / 2);
    window.answered(12_000, 13_000);
    expect(window.size).toBe(MAX_WINDOW / 4);
  });

  it('halves when no answer comes, down to one', () => {
    const window = new SendWindow();
    for (let n = 0; n < 10; n += 1) window.overdue(n * 5_000, (n + 1) * 5_000);
    expect(window.size).toBe(1);
  });

  it('begins anew with every connection', () => {
    const window = new SendWindow();
    for (let n = 0; n < 100; n += 1) window.answered(n, n);
    window.restart();
    expect(window.size).toBe(FIRST_WINDOW);
  });

  it('is always between one and its bound', () => {
    const event = fc.record({ isAnswer: fc.boolean(), sentAtMs: fc.nat(5_000), tookMs: fc.nat(10_000) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const window = new SendWindow();
        for (const { isAnswer, sentAtMs, tookMs } of events) {
          if (isAnswer) window.answered(sentAtMs, sentAtMs + tookMs);
          else window.overdue(sentAtMs, sentAtMs + tookMs);
          expect(window.size).toBeGreaterThanOrEqual(1);
          expect(window.size).toBeLessThanOrEqual(MAX_WINDOW);
        }
      }),
    );
  });

  it.each([1, 24, 1_000])(
    'keeps what stands in one queue below a second with %i boxes, and the ledger busy',
    (boxes) => {
      const { queued, waitedMs } = fleet(boxes, 2_500, 30);
      expect(waitedMs).toBeLessThan(1_000);
      expect(queued).toBeGreaterThanOrEqual(Math.min(boxes, MAX_WINDOW));
    },
  );
});
