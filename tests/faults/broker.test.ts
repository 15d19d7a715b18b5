/** A broker that goes away, and one that repeats, reorders, forgets and hangs up: everything arrives, once. */
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFrame } from '../e2e/support/frame-reader.js';
import { drawSeed } from '../e2e/support/seed.js';
import { until } from '../e2e/support/until.js';
import { FaultStreet } from './support/fault-street.js';
import { CALM } from './support/wild-broker.js';

const STORY_WITHIN_MS = 90_000;
const HOUR_S = 3_600;
const seed = drawSeed();

describe(`a street whose broker misbehaves (seed ${seed})`, () => {
  let street: FaultStreet;

  beforeAll(async () => {
    street = await FaultStreet.build({ seed, homes: ['linden-1', 'linden-4'], speed: 900 });
    await street.go();
    await street.answered(2);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await street?.stop();
  });

  it('keeps reading and sealing for an hour without any, and delivers all of it afterwards', async () => {
    street.broker.vanish();
    await street.ledger.program.kill();
    const before = await street.stats();
    await street.pass(HOUR_S);
    const meanwhile = await street.stats();
    for (const [at, one] of meanwhile.entries()) {
      expect(Number(one.frames_sealed) - Number(before[at]?.frames_sealed)).toBeGreaterThanOrEqual(11);
      expect(one).toMatchObject({ condition: 'no-broker', lost_readings: 0 });
      expect(Number(one.pending)).toBeGreaterThanOrEqual(11);
    }
    await street.serve();
    await street.answered(12);
  });

  it('goes on while it repeats, holds back, forgets what it acknowledged, and hangs up', async () => {
    street.broker.mood = { repeats: 0.3, loses: 0.1, holdsBack: 0.3, longestMs: 300, hangsUp: 0.01 };
    await street.pass(HOUR_S);
    await until('the broker to have done all of it', 20_000, () => {
      const { repeated, lost, heldBack } = street.broker.counts;
      return Math.min(repeated, lost, heldBack) > 0;
    });
    street.broker.mood = CALM;
    await street.answered(2);
  });

  it('comes back more and more seldom while another client uses its name, says so, and delivers in between', async () => {
    const [box] = street.boxes;
    const { kid } = readFrame(street.frames.find(({ home }) => home === box?.home)!.message);
    const before = street.broker.counts.connections;
    const thief = mqtt.connect(street.broker.url, { protocolVersion: 4, clientId: `cw-${kid}`, reconnectPeriod: 50 });
    thief.on('error', () => undefined);
    // Its pauses double until both have met often enough.
    await until('the box to name the cause', 60_000, () =>
      box?.notes.some((note) => /another client may use the name of this box/.test(note)),
    );
    await thief.endAsync(true);
    // Two for each attempt of the box, one of which throws the other out.
    expect(street.broker.counts.connections - before).toBeLessThan(20);
    await street.answered(2);
  }, 90_000);

  it('has lost nothing and booked nothing twice: the balances are those of an undisturbed delivery', {
    timeout: 60_000,
  }, async () => {
    await street.rest();
    await street.expectWhole();
  });
});
