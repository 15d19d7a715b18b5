/** Rows in memory: what a decision changed, what the store has, and how much of it is kept. */
import { describe, expect, it } from 'vitest';
import { MeterDay } from '../src/core/intervals/meter-day.js';
import { Readings } from '../src/core/intervals/packed-readings.js';
import { MAX_CACHED_BYTES, WorkingSet } from '../src/core/working-set.js';

const DAY_S = 86_400;

/** A reading a minute. */
function dayOf(startS: number): MeterDay {
  const readings = Array.from({ length: 1_440 }, (_, i) => ({
    ...{ timeS: startS + i * 60, valueMwh: i * 1_000, segment: 0, good: true, trustedClock: true },
  }));
  return [1, 2].reduce((day, quantity) => day.with(quantity, Readings.of(readings)), MeterDay.EMPTY);
}

describe('rows that were committed', () => {
  it('stay at hand, but for what is hardly ever read again', () => {
    const rows = new WorkingSet();
    rows.put('readings', 'm/1', dayOf(DAY_S));
    rows.put('opening', '1/0', new Uint8Array(100));
    rows.keepChanges();
    expect(rows.isLoaded('readings', 'm/1')).toBe(true);
    expect(rows.isLoaded('opening', '1/0')).toBe(false);
  });

  it('are forgotten when they have come to weigh too much, however few they are', () => {
    const rows = new WorkingSet();
    const { weightBytes } = dayOf(0);
    expect(weightBytes).toBeGreaterThan(2 * 1_440 * 20);
    const most = Math.floor(MAX_CACHED_BYTES / weightBytes);
    let kept = 0;
    for (let n = 0; n <= most; n++) {
      rows.put('readings', `m/${n}`, dayOf(n * DAY_S));
      rows.keepChanges();
      kept = rows.isLoaded('readings', 'm/0') ? n + 1 : 0;
      if (kept === 0) break;
    }
    expect(kept).toBe(0);
  });

  it('weigh once, however often they are written again', () => {
    const rows = new WorkingSet();
    const times = Math.ceil((3 * MAX_CACHED_BYTES) / dayOf(0).weightBytes);
    const day = dayOf(0);
    rows.put('frame', 'k/0', new Uint8Array(8));
    for (let n = 0; n < times; n++) {
      rows.put('readings', 'm/0', day.with(3, Readings.NONE));
      rows.keepChanges();
    }
    expect(rows.isLoaded('frame', 'k/0')).toBe(true);
  });
});
