import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RealClock, SimulatedClock, StepClock } from '../src/adapters/system/clock.js';

const BASE_MS = Date.UTC(2026, 5, 21, 10);

describe('the real clock', () => {
  it('is the machine`s time in whole milliseconds', () => {
    const before = Date.now();
    const now = new RealClock().nowMs();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
    expect(Number.isInteger(now)).toBe(true);
  });

  it('stands while the machine is set back, and goes on from where it was', () => {
    const times = [1000.9, 2000, 1500, 1999, 2001];
    const clock = new RealClock(() => times.shift()!);
    expect([1, 2, 3, 4, 5].map(() => clock.nowMs())).toEqual([1000, 2000, 2000, 2000, 2001]);
  });
});

describe('the real clock, when the machine`s leaps', () => {
  const rig = () => {
    const machine = { offMs: 0, monotonicMs: 5_000 };
    const clock = new RealClock(
      () => BASE_MS + machine.monotonicMs - 5_000 + machine.offMs,
      () => machine.monotonicMs,
    );
    clock.nowMs();
    return { machine, clock };
  };

  it.each([3_600_000, 86_400_000, 370_000_000_000])('ahead by %i ms has no time until that has passed', (leapMs) => {
    const { machine, clock } = rig();
    machine.offMs = leapMs;
    machine.monotonicMs += 1_000;
    expect(() => clock.nowMs()).toThrow(
      expect.objectContaining({ code: 'store', message: expect.stringMatching(/leapt/) }),
    );
    expect(clock.doubt()).toMatch(`leapt ahead by ${leapMs / 1000} s`);
    machine.offMs = 0;
    machine.monotonicMs += 1_000;
    expect(clock.nowMs()).toBe(BASE_MS + 2_000);
    expect(clock.doubt()).toBeUndefined();
  });

  it('ahead and stays there is believed after a minute, but never by more than a year', () => {
    const { machine, clock } = rig();
    machine.offMs = 86_400_000;
    for (; machine.monotonicMs < 60_000; machine.monotonicMs += 30_000) expect(() => clock.nowMs()).toThrow(/leapt/);
    machine.monotonicMs += 10_000;
    expect(clock.nowMs()).toBe(BASE_MS + machine.monotonicMs - 5_000 + 86_400_000);
    machine.offMs += 500 * 86_400_000;
    for (let at = 0; at < 100; at++, machine.monotonicMs += 10_000) expect(() => clock.nowMs()).toThrow(/leapt/);
  });

  it('back goes on at its own pace, and says so', () => {
    const { machine, clock } = rig();
    machine.offMs = -BASE_MS;
    for (let at = 1; at <= 1_000; at++) {
      machine.monotonicMs += 0.75;
      expect(clock.nowMs()).toBe(BASE_MS + Math.floor(at * 0.75));
    }
    expect(clock.doubt()).toMatch(/was set back by \d+ s/);
  });

  it('from 1970 to the present is believed at once: the machine had not been set', () => {
    const times = [1_000, BASE_MS];
    const clock = new RealClock(
      () => times.shift()!,
      () => 0,
    );
    expect([clock.nowMs(), clock.nowMs()]).toEqual([1_000, BASE_MS]);
  });
});

describe('the simulated clock', () => {
  it('is base plus speed times the monotonic time since the start', () => {
    let ns = 5_000_000_000n;
    const clock = new SimulatedClock({ baseMs: BASE_MS, startNs: 5_000_000_000n, speed: 288 }, () => ns);
    expect(clock.nowMs()).toBe(BASE_MS);
    ns += 1_000_000_000n;
    expect(clock.nowMs()).toBe(BASE_MS + 288_000);
    ns += 300_000_000_000n - 1_000_000_000n;
    expect(clock.nowMs()).toBe(BASE_MS + 86_400_000);
  });

  it('shows the same time to all who were given the same pair', () => {
    const startNs = process.hrtime.bigint();
    const time = { baseMs: BASE_MS, startNs, speed: 1 };
    const [one, two] = [new SimulatedClock(time), new SimulatedClock(time)];
    const [a, b, c] = [one.nowMs(), two.nowMs(), one.nowMs()];
    expect(a).toBeLessThanOrEqual(b);
    expect(b).toBeLessThanOrEqual(c);
  });

  it('waits at the base before its start', () => {
    const clock = new SimulatedClock({ baseMs: BASE_MS, startNs: 10n ** 12n, speed: 60 }, () => 10n ** 11n);
    expect(clock.nowMs()).toBe(BASE_MS);
  });

  it('never goes back, and is whole milliseconds, whatever is read', () => {
    const readings = fc.array(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 16n }), { minLength: 1, maxLength: 30 });
    const speed = fc.double({ min: 0.001, max: 100_000, noNaN: true });
    fc.assert(
      fc.property(readings, speed, (times, factor) => {
        let at = 0;
        const clock = new SimulatedClock({ baseMs: BASE_MS, startNs: 0n, speed: factor }, () => times[at]!);
        let last = 0;
        for (; at < times.length; at++) {
          const now = clock.nowMs();
          expect(Number.isSafeInteger(now)).toBe(true);
          expect(now).toBeGreaterThanOrEqual(Math.max(last, BASE_MS));
          last = now;
        }
      }),
    );
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses speed %s', (speed) => {
    expect(() => new SimulatedClock({ baseMs: BASE_MS, startNs: 0n, speed })).toThrow(
      /speed: expected a number above 0/,
    );
  });

  it.each([-1, 0.5, Number.NaN])('refuses base %s', (baseMs) => {
    expect(() => new SimulatedClock({ baseMs, startNs: 0n, speed: 1 })).toThrow(
      /baseMs: expected whole UTC milliseconds/,
    );
  });
});

describe('the step clock', () => {
  it('stands until it is set, and may be set to the same instant again', () => {
    const clock = new StepClock(BASE_MS);
    expect(clock.nowMs()).toBe(BASE_MS);
    clock.set(BASE_MS + 900_000);
    clock.set(BASE_MS + 900_000);
    expect([clock.nowMs(), clock.nowMs()]).toEqual([BASE_MS + 900_000, BASE_MS + 900_000]);
  });

  it('refuses to go back and keeps its time', () => {
    const clock = new StepClock(BASE_MS);
    expect(() => clock.set(BASE_MS - 1)).toThrow(/never goes back/);
    expect(() => clock.set(Number.NaN)).toThrow(/whole UTC milliseconds/);
    expect(clock.nowMs()).toBe(BASE_MS);
  });
});
