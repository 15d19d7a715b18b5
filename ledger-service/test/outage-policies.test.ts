/** What an outage means: intervals leave the meter out, wait for it, or share out what its counter rose by meanwhile. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import {
  OUTAGE_POLICY,
  type OutagePolicy,
  parseLeaf,
  parseSettlement,
  parseVectorContent,
} from '../src/core/records/index.js';
import { decodeRow } from '../src/core/row-codec.js';
import { indexKey, openingKey, settlementKey, startKey } from '../src/core/rows.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, CommunityWorld, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const HOUR_S = 3_600;
const SETTLE_AFTER_S = 900;
const GRACE_S = 2 * HOUR_S;
const at = (step: number): number => START_S + step * 900;

let store: MemoryStore;
let world: CommunityWorld;
let kettle: Box;
let roof: Box;

async function streetThat(outagePolicy: OutagePolicy): Promise<void> {
  store = new MemoryStore();
  const settings = { settleAfterS: SETTLE_AFTER_S, graceS: GRACE_S, outagePolicy };
  world = await CommunityWorld.create({ store, startS: START_S, settings });
  kettle = await world.addHome('kettle', { quantities: [1] });
  roof = await world.addHome('roof', { quantities: [2] });
}

async function read(box: Box, readings: readonly (readonly [step: number, valueMwh: number])[]): Promise<void> {
  const ledger = await world.own();
  for (const [step, valueMwh] of readings) {
    const message = box.seal([{ timeS: at(step), values: [valueMwh] }]);
    expect(await ledger.ingestFrames([{ message, gateway: box.home }])).toMatchObject({ accepted: 1 });
  }
}

async function settleAt(timeS: number): Promise<void> {
  world.clock.setS(timeS);
  await (await world.own()).settleDue();
}

type Lines = Readonly<Record<string, readonly number[]>>;

const NO_LINES: Lines = {};

/** The newest version's reason, whether it is final, and of each member: need, offer, received, delivered, quality. */
async function newest(step: number) {
  const [interval] = await store.read('sunny', [{ table: 'interval', key: startKey(at(step)) }]);
  if (interval === undefined) return undefined;
  const { version, final, settledIndex } = decodeRow('interval', interval);
  if (version === 0) return { version, lines: NO_LINES };
  const [opening, leaf] = await store.read('sunny', [
    { table: 'opening', key: openingKey(settledIndex) },
    { table: 'leaf', key: indexKey(settledIndex) },
  ]);
  const { reason } = parseSettlement(parseLeaf(leaf as Uint8Array).body!);
  const { lines } = parseVectorContent((opening as Uint8Array).subarray(16));
  const byMember: Lines = Object.fromEntries(
    lines.map((line) => [
      line.member,
      [line.needMwh, line.offerMwh, line.receivedMwh, line.deliveredMwh, line.quality],
    ]),
  );
  return { version, reason, final, lines: byMember, ...byMember };
}

async function reasonsOf(step: number): Promise<number[]> {
  const reasons: number[] = [];
  for (let version = 1; ; version++) {
    const [row] = await store.read('sunny', [{ table: 'settlement', key: settlementKey(at(step), version) }]);
    if (row === undefined) return reasons;
    reasons.push(decodeRow('settlement', row).reason);
  }
}

async function isRebuiltAlike(): Promise<boolean> {
  return (await rebuild({ store, community: 'sunny', crypto: testCrypto })).equal;
}

const [COMPLETE, TIMEOUT, LATE, GRACE] = [1, 2, 3, 6];

describe('leave-out', () => {
  beforeEach(() => streetThat(OUTAGE_POLICY.leaveOut));

  it('settles without the meter, and never books what the outage came to', async () => {
    world.clock.setS(at(5));
    await read(kettle, [
      [0, 0],
      [1, 700],
      [4, 3_700],
    ]);
    await read(roof, [
      [0, 0],
      [1, 700],
      [2, 1_400],
      [3, 2_100],
      [4, 2_800],
    ]);
    await settleAt(at(5));
    expect(await newest(0)).toMatchObject({ reason: COMPLETE, kettle: [700, 0, 700, 0, 0] });
    for (const step of [1, 2, 3]) {
      expect(await newest(step)).toMatchObject({ reason: TIMEOUT, final: false, kettle: [0, 0, 0, 0, 4] });
    }
    await settleAt(at(20));
    expect(await reasonsOf(2)).toEqual([TIMEOUT, GRACE]);
    expect(await isRebuiltAlike()).toBe(true);
  });
});

describe('wait', () => {
  beforeEach(() => streetThat(OUTAGE_POLICY.wait));

  it('settles nobody until the interval is complete', async () => {
    world.clock.setS(at(3));
    await read(roof, [
      [0, 0],
      [1, 700],
    ]);
    await settleAt(at(3));
    expect(await newest(0)).toMatchObject({ version: 0 });
    await read(kettle, [
      [0, 0],
      [1, 500],
    ]);
    await settleAt(at(3));
    expect(await newest(0)).toMatchObject({ version: 1, reason: COMPLETE, final: true, kettle: [500, 0, 500, 0, 0] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('leaves out who is missing when the grace is over, for good', async () => {
    world.clock.setS(at(3));
    await read(roof, [
      [0, 0],
      [1, 700],
    ]);
    await settleAt(at(1) + GRACE_S - 1);
    expect(await newest(0)).toMatchObject({ version: 0 });
    await settleAt(at(1) + GRACE_S);
    expect(await reasonsOf(0)).toEqual([TIMEOUT, GRACE]);
    expect(await newest(0)).toMatchObject({ final: true, roof: [0, 700, 0, 0, 0], kettle: [0, 0, 0, 0, 4] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('still books what comes after that', async () => {
    world.clock.setS(at(3));
    await read(roof, [
      [0, 0],
      [1, 700],
    ]);
    await settleAt(at(1) + GRACE_S);
    await read(kettle, [
      [0, 0],
      [1, 500],
    ]);
    await settleAt(at(1) + GRACE_S);
    expect(await reasonsOf(0)).toEqual([TIMEOUT, GRACE, LATE]);
    expect(await newest(0)).toMatchObject({ final: true, kettle: [500, 0, 500, 0, 0] });
    expect(await isRebuiltAlike()).toBe(true);
  });
});

describe('estimate', () => {
  beforeEach(() => streetThat(OUTAGE_POLICY.estimate));

  const sunny: readonly (readonly [number, number])[] = [0, 1, 2, 3, 4, 5].map(
    (step) => [step, step * 10_000] as const,
  );

  it('leaves out who is missing for as long as nothing is known behind it', async () => {
    world.clock.setS(at(6));
    await read(roof, sunny);
    await read(kettle, [
      [0, 0],
      [1, 700],
    ]);
    await settleAt(at(6));
    expect(await newest(0)).toMatchObject({ reason: COMPLETE });
    for (const step of [1, 2, 3])
      expect(await newest(step)).toMatchObject({ reason: TIMEOUT, kettle: [0, 0, 0, 0, 4] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('spreads evenly over an outage what it came to, so that the parts sum to the meter', async () => {
    world.clock.setS(at(6));
    await read(roof, sunny);
    await read(kettle, [
      [0, 0],
      [1, 700],
    ]);
    await settleAt(at(6));
    // 1,001 mWh over three intervals: 333, 667 and 1,001 by the end of each.
    await read(kettle, [[4, 1_701]]);
    await settleAt(at(6));
    expect(await newest(1)).toMatchObject({ version: 2, reason: LATE, final: true, kettle: [333, 0, 333, 0, 3] });
    expect(await newest(2)).toMatchObject({ version: 2, reason: LATE, final: true, kettle: [334, 0, 334, 0, 3] });
    expect(await newest(3)).toMatchObject({ version: 2, reason: LATE, final: true, kettle: [334, 0, 334, 0, 3] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('does so for an outage that ends before anybody was settled: version 1 is complete', async () => {
    await read(kettle, [[0, 0]]);
    await read(roof, [[0, 0]]);
    world.clock.setS(at(4));
    await read(kettle, [[3, 3_000]]);
    await read(roof, [[3, 9_000]]);
    await settleAt(at(4));
    for (const step of [0, 1, 2]) {
      expect(await newest(step)).toMatchObject({
        version: 1,
        reason: COMPLETE,
        final: true,
        kettle: [1_000, 0, 1_000, 0, 3],
        roof: [0, 3_000, 0, 1_000, 3],
      });
    }
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('gives way to readings that come later, also behind the final version', async () => {
    world.clock.setS(at(6));
    await read(roof, sunny);
    await read(kettle, [
      [0, 0],
      [1, 700],
      [4, 1_600],
    ]);
    await settleAt(at(3) + 2 * GRACE_S);
    expect(await newest(2)).toMatchObject({ final: true, kettle: [300, 0, 300, 0, 3] });
    await read(kettle, [[2, 800]]);
    await settleAt(at(3) + 2 * GRACE_S);
    expect(await newest(1)).toMatchObject({ reason: LATE, final: true, kettle: [100, 0, 100, 0, 0] });
    expect(await newest(2)).toMatchObject({ reason: LATE, final: true, kettle: [400, 0, 400, 0, 3] });
    expect(await newest(3)).toMatchObject({ reason: LATE, final: true, kettle: [400, 0, 400, 0, 3] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('counts only what lies between two edges: a reading in the middle of nowhere closes nothing', async () => {
    world.clock.setS(at(6));
    await read(roof, sunny);
    await read(kettle, [
      [0, 0],
      [1, 700],
      [3.5, 3_000],
    ]);
    await settleAt(at(6));
    expect(await newest(1)).toMatchObject({ kettle: [0, 0, 0, 0, 4] });
    // Half an interval on the next one comes: the edge between them is interpolated, and ends the outage.
    await read(kettle, [[4.5, 3_500]]);
    await settleAt(at(6));
    expect(await newest(1)).toMatchObject({ kettle: [850, 0, 850, 0, 3] });
    expect(await newest(3)).toMatchObject({ kettle: [850, 0, 850, 0, 3] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('never spreads energy across a break of the counter', async () => {
    world.clock.setS(at(8));
    await read(roof, sunny);
    await read(kettle, [
      [0, 900_000],
      [1, 900_700],
      [4, 200],
      [5, 300],
    ]);
    await settleAt(at(8));
    for (const step of [1, 2, 3, 4]) expect(await newest(step)).toMatchObject({ kettle: [0, 0, 0, 0, 4] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('tells of a reading that cannot be true by the readings around it', async () => {
    world.clock.setS(at(6));
    await read(roof, sunny);
    await read(kettle, [
      [0, 1_000],
      [1, 1_700],
      [2, 0],
      [3, 3_700],
    ]);
    await settleAt(at(6));
    expect(await newest(1)).toMatchObject({ kettle: [1_000, 0, 1_000, 0, 3] });
    expect(await newest(2)).toMatchObject({ kettle: [1_000, 0, 1_000, 0, 3] });
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('is not led astray by a late reading that steps back from one of days before, or ahead of one of days after', async () => {
    const days = 96;
    world.clock.setS(at(6 * days));
    await read(roof, sunny);
    await read(kettle, [
      [0, 5_000],
      [1, 5_000],
      [5 * days + 1, 5_000 + 5 * days],
      [6 * days, 9_000],
      [2 * days, 100],
      [3 * days, 8_000],
    ]);
    await settleAt(at(6 * days));
    for (const step of [6, 2 * days - 1, 2 * days, 3 * days - 1, 3 * days, 5 * days]) {
      expect(await newest(step)).toMatchObject({ kettle: [1, 0, 0, 0, 3] });
    }
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('fills an outage of days, in which the whole street said nothing', async () => {
    const steps = 10 * 96;
    await read(kettle, [
      [0, 0],
      [1, 5],
    ]);
    await read(roof, [
      [0, 0],
      [1, 5],
    ]);
    world.clock.setS(at(steps + 10));
    await read(kettle, [[steps, 5 + 7 * (steps - 1) + 3]]);
    await read(roof, [[steps, 5 + 9 * (steps - 1)]]);
    await settleAt(at(steps + 10));
    let kettleMwh = 0;
    for (let step = 0; step < steps; step += 1) {
      kettleMwh += (await newest(step))!.lines.kettle![0]!;
    }
    expect(kettleMwh).toBe(5 + 7 * (steps - 1) + 3);
    expect(await newest(steps)).toBeUndefined();
    expect(await isRebuiltAlike()).toBe(true);
  });

  it('leaves an outage of more than 366 days alone', async () => {
    const steps = 367 * 96;
    await read(kettle, [
      [0, 0],
      [1, 5],
    ]);
    await read(roof, [
      [0, 0],
      [1, 5],
    ]);
    world.clock.setS(at(steps + 10));
    await read(kettle, [
      [steps, 999_999],
      [steps + 1, 1_000_000],
    ]);
    await settleAt(at(steps + 10));
    expect(await newest(1)).toBeUndefined();
    expect(await newest(steps)).toMatchObject({ kettle: [1, 0, 0, 0, 0] });
  });
});
