/**
 * The clock of a box, or of the ledger's machine, is set an hour, a day, to 1970 or to 2038 while it runs, and back again:
 * what lies outside of the steps is booked as if nothing had happened, and nothing is booked twice.
 */
import { EventCode } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { type Booked, ClockRig, INTERVAL_S, START_S } from './support/clock-rig.js';

const EDGES = 20;
const WRONG_FROM = 8;
const WRONG_TO = 10;
const STEP_MWH = 250_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const STEPS: readonly (readonly [string, (atMs: number) => number])[] = [
  ['an hour ahead', () => HOUR_MS],
  ['an hour back', () => -HOUR_MS],
  ['a day ahead', () => DAY_MS],
  ['a day back', () => -DAY_MS],
  ['to 1970', (atMs) => 1_000_000 - atMs],
  ['to 2038', (atMs) => Date.UTC(2038, 0, 19, 3, 14, 8) - atMs],
];

const edgeMs = (n: number) => (START_S + n * INTERVAL_S) * 1000;
const isWrong = (n: number) => n >= WRONG_FROM && n <= WRONG_TO;
const offset = (size: (atMs: number) => number) => size(edgeMs(WRONG_FROM));

/** The whole story with this clock of the box. */
async function boxWith(offMs: number): Promise<ClockRig> {
  const rig = await ClockRig.build();
  for (let n = 0; n < EDGES; n++) await rig.edge(n, isWrong(n) ? offMs : 0);
  return rig;
}

function numberOf({ startS }: Booked): number {
  return (startS - START_S) / INTERVAL_S;
}

/** Neither of its edges was read by a wrong clock. */
function isUntouched(booked: Booked): boolean {
  return !isWrong(numberOf(booked)) && !isWrong(numberOf(booked) + 1);
}

describe("a box's clock", () => {
  it.each(STEPS)('that is set %s and back books nothing twice, and everything else as ever', async (_, size) => {
    const offMs = offset(size);
    const rig = await boxWith(offMs);
    const booked = await rig.booked();
    expect(booked.filter(isUntouched).map(numberOf)).toEqual(
      Array.from({ length: EDGES - 1 }, (_n, n) => n).filter((n) => !isWrong(n) && !isWrong(n + 1)),
    );
    for (const one of booked.filter(isUntouched)) expect(one).toMatchObject({ needMwh: STEP_MWH });
    // Of the time in between no more is booked than was used, and nothing outside of the community's time.
    const sum = booked.reduce((total, { needMwh }) => total + needMwh, 0);
    expect(sum).toBeLessThanOrEqual((EDGES - 1) * STEP_MWH);
    for (const one of booked) expect(numberOf(one) >= 0 && numberOf(one) < EDGES - 1).toBe(true);
    expect(rig.gateway.stats()).toMatchObject({
      pending: 0,
      refused: 0,
      epoch: 1,
      lost_readings: 0,
      condition: 'ready',
    });
    expect(rig.frames.map(({ number }) => number)).toEqual(rig.frames.map((_f, at) => at + 1));
  });

  it.each(STEPS)('that is set %s tells of it in the frames, there and back', async (_, size) => {
    const rig = await boxWith(offset(size));
    const told = rig.frames.flatMap(({ number, events = [] }) =>
      events.filter(({ code }) => code === EventCode.clockStep).map(({ argument }) => ({ number, argument })),
    );
    const argument = Math.round(Math.abs(offset(size)) / 1000);
    expect(told).toEqual([
      { number: WRONG_FROM + 1, argument },
      { number: WRONG_TO + 2, argument },
    ]);
    const doubtful = rig.frames.filter(({ clock }) => clock.source === 0).map(({ number }) => number);
    expect(doubtful).toEqual(edgeMs(WRONG_FROM) + offset(size) < Date.UTC(2020) ? [9, 10, 11] : []);
  });
});

describe("the clock of the ledger's machine", () => {
  it.each(STEPS)(
    'that is set %s for half a minute: nothing is received under a wrong time, and all settles',
    async (_, size) => {
      const rig = await ClockRig.build();
      for (let n = 0; n < EDGES; n++) {
        if (n === WRONG_FROM) rig.ledgerOffMs = offset(size);
        await rig.edge(n);
        for (let at = 0; n === WRONG_FROM && at < 3; at++) await rig.moveOn(10_000);
        rig.ledgerOffMs = 0;
        if (n === WRONG_FROM) await rig.moveOn(1_000);
      }
      await expectRight(rig);
      if (offset(size) > 0) expect(rig.refused.length).toBeGreaterThan(0);
    },
  );

  it.each([STEPS[1]!, STEPS[3]!, STEPS[4]!, STEPS[5]!])('that is set %s for an hour: likewise', async (_, size) => {
    const rig = await ClockRig.build();
    for (let n = 0; n < EDGES; n++) {
      rig.ledgerOffMs = isWrong(n) ? offset(size) : 0;
      await rig.edge(n);
      if (isWrong(n))
        expect(rig.ledgerClock.doubt()).toMatch(/the clock of this machine (leapt ahead|was set back) by \d+ s/);
    }
    await expectRight(rig);
    expect(rig.ledgerClock.doubt()).toBeUndefined();
  });

  it.each([STEPS[0]!, STEPS[2]!])(
    'that is set %s and stays there is believed after a minute: nothing is lost',
    async (_, size) => {
      const rig = await ClockRig.build();
      for (let n = 0; n < EDGES; n++) {
        if (n === WRONG_FROM) rig.ledgerOffMs = offset(size);
        await rig.edge(n);
      }
      const booked = await rig.booked();
      expect(booked.map(({ needMwh }) => needMwh)).toEqual(booked.map(() => STEP_MWH));
      expect(booked).toHaveLength(EDGES - 1);
      expect(await rig.seals()).toBeLessThanOrEqual(2);
    },
  );

  /** Every frame received when it came or a little later, every interval settled right, one seal at the turn of the day. */
  async function expectRight(rig: ClockRig): Promise<void> {
    const booked = await rig.booked();
    expect(booked.map((one) => [numberOf(one), one.needMwh])).toEqual(
      Array.from({ length: EDGES - 1 }, (_n, n) => [n, STEP_MWH]),
    );
    const received = await rig.received();
    expect(received).toHaveLength(EDGES);
    for (const [n, receivedS] of received.entries()) {
      expect(receivedS).toBeGreaterThanOrEqual(START_S + n * INTERVAL_S);
      // Frames that waited for a leap to pass came then.
      expect(receivedS).toBeLessThanOrEqual(START_S + Math.max(n, isWrong(n) ? WRONG_TO + 1 : 0) * INTERVAL_S + 120);
    }
    expect(await rig.seals()).toBe(0);
    await rig.moveOn(DAY_MS);
    // Nothing is sealed without an entry; the first one of the next day brings the seal, and the second none.
    expect(await rig.seals()).toBeLessThanOrEqual(1);
  }
});
