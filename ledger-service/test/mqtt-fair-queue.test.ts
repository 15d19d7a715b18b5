import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue } from '../src/adapters/mqtt/fair-queue.js';

/** Takes everything out. */
function drain<T>(queue: FairQueue<T>): T[] {
  const taken: T[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next);
  return taken;
}

describe('a queue in which senders take turns', () => {
  it('gives one of each sender before the second of anybody', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) queue.push(item.slice(0, 1), item, 1);
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('lets nobody wait for backlogs who sends now and then', () => {
    const queue = new FairQueue<string>();
    for (let n = 0; n < 96; n += 1) for (let g = 0; g < 100; g += 1) queue.push(`g${g}`, `g${g}-${n}`, 1);
    for (let n = 0; n < 250; n += 1) queue.take();
    queue.push('live', 'fresh', 1);
    expect(queue.take()).toBe('fresh');
    // The next one waits for one of each whose turn it was before.
    queue.push('live', 'fresh again', 1);
    expect(drain(queue).indexOf('fresh again')).toBe(100);
  });

  it('lets nobody wait behind those who have one message at a time, but at once a new one', () => {
    const queue = new FairQueue<string>();
    for (let g = 0; g < 100; g += 1) queue.push(`g${g}`, `g${g}`, 1);
    for (let n = 0; n < 1_000; n += 1) {
      const next = queue.take();
      expect(next).toBe(`g${n % 100}`);
      queue.push(`g${n % 100}`, `g${n % 100}`, 1);
    }
    queue.push('live', 'fresh', 1);
    expect(queue.take()).toBe('fresh');
  });

  it('passes nobody over for long, however many new senders come', () => {
    const queue = new FairQueue<string>();
    for (let n = 0; n < 10; n += 1) queue.push('old', `old ${n}`, 1);
    const taken: (string | undefined)[] = [];
    for (let n = 0; n < 100; n += 1) {
      queue.push(`new ${n % 5}`, `new ${n}`, 1);
      taken.push(queue.take());
    }
    // Five others had their first turn before; from then on it has every sixth at least.
    expect(taken.filter((item) => item?.startsWith('old')).length).toBe(10);
  });

  it('keeps each sender’s order, loses nothing and counts right, whatever comes and goes', () => {
    const step = fc.oneof(
      fc.record({ sender: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.integer({ min: 0, max: 9 }) }),
      fc.constant('take' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FairQueue<{ sender: string; n: number; bytes: number }>();
        const inside: { sender: string; n: number; bytes: number }[] = [];
        const out: { sender: string; n: number }[] = [];
        steps.forEach((one, n) => {
          if (one === 'take') {
            const taken = queue.take();
            if (taken === undefined) return;
            inside.splice(inside.indexOf(taken), 1);
            out.push(taken);
          } else {
            const item = { ...one, n };
            inside.push(item);
            queue.push(one.sender, item, one.bytes);
          }
          expect(queue.size).toBe(inside.length);
          expect(queue.bytes).toBe(inside.reduce((sum, { bytes }) => sum + bytes, 0));
          expect(queue.senders).toBe(new Set(inside.map(({ sender }) => sender)).size);
          for (const sender of ['a', 'b', 'c', 'd']) {
            expect(queue.of(sender).messages).toBe(inside.filter((item) => item.sender === sender).length);
          }
        });
        out.push(...drain(queue));
        expect(out.length).toBe(steps.filter((one) => one !== 'take').length);
        for (const sender of ['a', 'b', 'c', 'd']) {
          const numbers = out.filter((item) => item.sender === sender).map(({ n }) => n);
          expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
        }
      }),
    );
  });

  it('keeps no line of a sender who has nothing waiting', () => {
    const queue = new FairQueue<number>();
    for (let n = 0; n < 10_000; n += 1) {
      queue.push(`stranger ${n}`, n, 5);
      expect(queue.take()).toBe(n);
    }
    expect(queue.senders).toBe(0);
    expect(queue.bytes).toBe(0);
    expect(queue.of('stranger 1')).toEqual({ messages: 0, bytes: 0 });
  });
});
