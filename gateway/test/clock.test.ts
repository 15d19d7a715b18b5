import { describe, expect, it } from 'vitest';
import { SimulatedClock, systemClock } from '../src/adapters/system/system-clock.js';
import { Rounds } from '../src/core/rounds.js';
import { nextPoll, passesEdge } from '../src/core/schedule.js';
import { EDGE_MS } from './support/box.js';
import { ManualClock, ManualTimers } from './support/fakes.js';

describe('the simulated clock', () => {
  it('is not to be trusted before it is set', () => {
    const clock = new SimulatedClock();
    expect(clock.now()).toMatchObject({ utcMs: 0, quality: { source: 0 } });
    expect(clock.realMsUntil(5)).toBeUndefined();
  });

  it('runs so many times faster from its base', () => {
    let nowNs = 5_000_000_000n;
    const clock = new SimulatedClock({ monotonicNs: () => nowNs });
    clock.run({ baseMs: EDGE_MS, startNs: 4_000_000_000n, speed: 288 });
    expect(clock.now()).toMatchObject({ utcMs: EDGE_MS + 288_000, uptimeMs: 0, quality: { source: 2 } });
    nowNs += 2_000_000_000n;
    expect(clock.now()).toMatchObject({ utcMs: EDGE_MS + 3 * 288_000, uptimeMs: 2 * 288_000 });
    expect(clock.realMsUntil(EDGE_MS + 4 * 288_000)).toBeCloseTo(1000);
    expect(clock.realMsUntil(EDGE_MS)).toBe(0);
  });

  it('stands at the instant of a step, and its uptime never falls', () => {
    const clock = new SimulatedClock();
    clock.stand(EDGE_MS);
    clock.stand(EDGE_MS + 900_000);
    expect(clock.now()).toMatchObject({ utcMs: EDGE_MS + 900_000, uptimeMs: 0 });
    clock.stand(EDGE_MS + 1_800_000);
    expect(clock.now().uptimeMs).toBe(900_000);
    clock.stand(EDGE_MS);
    expect(clock.now()).toMatchObject({ utcMs: EDGE_MS, uptimeMs: 900_000 });
    expect(clock.realMsUntil(EDGE_MS + 1)).toBeUndefined();
  });
});

describe('the system clock', () => {
  it('shows the time of the machine with the quality it was told', () => {
    const clock = systemClock({ source: 3, errorMs: 7 });
    const { utcMs, uptimeMs, quality } = clock.now();
    expect(Math.abs(utcMs - Date.now())).toBeLessThan(1000);
    expect(uptimeMs).toBeGreaterThanOrEqual(0);
    expect(quality).toEqual({ source: 3, errorMs: 7, ageS: 0 });
  });
});

describe('the grid', () => {
  const grid = { intervalS: 900, pollS: 400 };

  it('has its points at multiples since 1970, edges included', () => {
    const times: [number, boolean][] = [];
    for (let at = EDGE_MS; times.length < 7; ) {
      const due = nextPoll(grid, at);
      times.push([(due.atMs - EDGE_MS) / 1000, due.isEdge]);
      at = due.atMs;
    }
    const offset = (EDGE_MS / 1000) % 400;
    expect(times.filter(([, isEdge]) => isEdge).map(([s]) => s)).toEqual([900, 1800]);
    for (const [s, isEdge] of times) if (!isEdge) expect((s + offset) % 400).toBe(0);
  });

  it('knows whether an edge has passed', () => {
    expect(passesEdge(grid, EDGE_MS, EDGE_MS + 899_999)).toBe(false);
    expect(passesEdge(grid, EDGE_MS, EDGE_MS + 900_000)).toBe(true);
    expect(passesEdge(grid, EDGE_MS - 1, EDGE_MS)).toBe(true);
  });
});

describe('rounds', () => {
  const grid = { intervalS: 900, pollS: 300 };

  function make(run: (due: { isEdge: boolean }) => Promise<void>) {
    const timers = new ManualTimers();
    const clock = new ManualClock(EDGE_MS + 1000);
    clock.run(timers);
    return { timers, clock, rounds: new Rounds({ clock, timers, grid, run }) };
  }

  it('come one at a time; one that comes late is made once, as the edge that has passed', async () => {
    const seen: [number, boolean][] = [];
    const { timers, clock, rounds } = make(async ({ isEdge }) => {
      seen.push([(clock.now().utcMs - EDGE_MS) / 1000, isEdge]);
      // The first takes longer than a quarter of an hour.
      if (seen.length === 1) await new Promise<void>((resolve) => timers.after(1_000_000, resolve));
    });
    rounds.start();
    await timers.advance(2_000_000);
    rounds.stop();
    expect(seen).toEqual([
      [300, false],
      [1300, true],
      [1500, false],
      [1800, true],
    ]);
  });

  it('begin again where the clock was set to', async () => {
    const seen: number[] = [];
    const { timers, clock, rounds } = make(async () => {
      seen.push((clock.now().utcMs - EDGE_MS) / 1000);
    });
    rounds.start();
    await timers.advance(400_000);
    clock.utcMs += 86_400_000;
    await timers.advance(300_000);
    clock.utcMs -= 172_800_000;
    await timers.advance(700_000);
    rounds.stop();
    expect(seen[0]).toBe(300);
    expect(seen.some((s) => s > 86_400 && s < 87_400)).toBe(true);
    expect(seen.filter((s) => s < 0).length).toBeGreaterThanOrEqual(2);
  });

  it('stop at once, and do not begin while the clock stands', async () => {
    let count = 0;
    const { timers, clock, rounds } = make(async () => {
      count++;
    });
    clock.runsWith = undefined;
    rounds.start();
    await timers.advance(3_000_000);
    expect(count).toBe(0);
    clock.run(timers);
    rounds.restart();
    rounds.stop();
    await timers.advance(3_000_000);
    expect(count).toBe(0);
    expect(timers.pending).toBe(0);
  });
});
