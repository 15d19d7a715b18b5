/** Counters that reset, leap and lie, told in any order: what they count does not depend on it. */
import { CounterCause, encodeCounterEvent, toHex } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { EdgeCache, meterState } from '../src/core/intervals/meter-state.js';
import { balancesRoot, OUTAGE_POLICY, type OutagePolicy } from '../src/core/records/index.js';
import { intervalSettings } from '../src/core/settings.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { type Box, type BoxSample, CommunityWorld, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const KWH = 1_000_000;
const LIMIT_W = 10_000;

const at = (step: number): number => START_S + step * 900;

interface Sent {
  readonly kind: 'frame' | 'event';
  readonly message: Uint8Array;
}

function event(box: Box, input: { generation: number; fromS: number; cause?: number; last?: number; first?: number }) {
  const { generation, fromS, cause = CounterCause.reset, last = 1, first = 0 } = input;
  const channels = [{ quantity: 1, last: BigInt(last), first: BigInt(first) }] as const;
  const payload = encodeCounterEvent({ meter: `${box.home}-m`, generation, cause, channels, fromS });
  return { kind: 'event', message: box.sealBytes(payload, 'counter-event/v1') } as const;
}

async function street(outagePolicy: OutagePolicy = OUTAGE_POLICY.leaveOut) {
  const store = new MemoryStore();
  const world = await CommunityWorld.create({ store, startS: START_S, settings: { outagePolicy } });
  const box = await world.addHome('kettle', { quantities: [1], limitW: LIMIT_W });
  const sun = await world.addHome('sun', { quantities: [2] });
  return { store, world, box, sun };
}

type Street = Awaited<ReturnType<typeof street>>;

async function deliver({ world }: Street, list: readonly Sent[]): Promise<void> {
  const ledger = await world.own();
  for (const { kind, message } of list) {
    if (kind === 'frame') await ledger.ingestFrames([{ message, gateway: 'kettle' }]);
    else await ledger.handleEvent({ message, gateway: 'kettle' });
  }
}

async function contributions({ world, store }: Street, steps: number, meter = 'kettle-m') {
  const rows = await (await world.own()).rows();
  const settings = intervalSettings(rows.get('community', '')!);
  for (let day = -1; day < 3; day++) {
    const key = `${meter}/${String(Math.floor(START_S / 86_400) + day).padStart(12, '0')}`;
    if (rows.isLoaded('readings', key)) continue;
    const { decodeRow } = await import('../src/core/row-codec.js');
    const [value] = await store.read('sunny', [{ table: 'readings', key }]);
    rows.loadRow('readings', key, value === undefined ? undefined : decodeRow('readings', value));
  }
  const edges = new EdgeCache(rows, meter, settings);
  const row = rows.get('meter', meter)!;
  return Array.from({ length: steps }, (_, step) => meterState(edges, row, at(step)));
}

async function rootOf({ world }: Street): Promise<string> {
  const balances = (await (await world.own()).rows()).all('balance');
  const accounts = balances.map(([account, { amountMicro, energyMwh }]) => ({ account, amountMicro, energyMwh }));
  return toHex(balancesRoot(testCrypto.hasher, accounts));
}

describe('a counter event', () => {
  const frame = (box: Box, samples: readonly BoxSample[]): Sent => ({ kind: 'frame', message: box.seal(samples) });

  it('that comes before the last readings of the old counter does not take them for the new one', async () => {
    const late = await street();
    const { box, world } = late;
    const old = [0, 1, 2].map((step) => frame(box, [{ timeS: at(step), values: [100 * KWH + step * KWH] }]));
    const reset = event(box, { generation: 2, fromS: at(3) });
    const fresh = [3, 4, 5].map((step) => frame(box, [{ timeS: at(step), values: [(step - 3) * KWH] }]));
    world.clock.setS(at(6));
    await deliver(late, [old[0]!, reset, old[1]!, old[2]!, ...fresh]);
    const found = await contributions(late, 5);
    expect(found.map(({ importMwh }) => importMwh)).toEqual([KWH, KWH, undefined, KWH, KWH]);
    expect((await rebuild({ store: late.store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });

  it('counts on when an event before it was lost', async () => {
    const lost = await street();
    const { box, world } = lost;
    world.clock.setS(at(6));
    await deliver(lost, [
      frame(box, [{ timeS: at(0), values: [100 * KWH] }]),
      event(box, { generation: 3, fromS: at(1) }),
      ...[1, 2].map((step) => frame(box, [{ timeS: at(step), values: [step * KWH] }])),
    ]);
    expect((await contributions(lost, 2)).map(({ importMwh }) => importMwh)).toEqual([undefined, KWH]);
  });

  it('of a replaced meter books nothing across the break, also when the new counter stands higher', async () => {
    const replaced = await street();
    const { sun, world } = replaced;
    world.clock.setS(at(6));
    const old = [0, 1].map((step) => frame(sun, [{ timeS: at(step), values: [step * KWH] }]));
    const fresh = [2, 3].map((step) => frame(sun, [{ timeS: at(step), values: [5000 * KWH + step * KWH] }]));
    const payload = encodeCounterEvent({
      meter: 'sun-m',
      generation: 2,
      cause: CounterCause.replacement,
      channels: [{ quantity: 2, last: BigInt(KWH), first: BigInt(5000 * KWH) }],
      fromS: at(2) - 60,
    });
    const told: Sent = { kind: 'event', message: sun.sealBytes(payload, 'counter-event/v1') };
    await deliver(replaced, [...old, ...fresh, told]);
    const rows = await (await replaced.world.own()).rows();
    const state = meterState(
      new EdgeCache(rows, 'sun-m', { intervalS: 900, maxSpanS: 900 }),
      rows.get('meter', 'sun-m')!,
      at(1),
    );
    expect(state).toMatchObject({ exportMwh: undefined, hasEdges: false });
  });

  it('does not make a step back good, however many events come before it', async () => {
    const many = await street();
    const { box, sun, world } = many;
    world.clock.setS(at(4));
    const sunny = sun.seal([0, 1, 2].map((step) => ({ timeS: at(step), values: [step * KWH] })));
    await (await world.own()).ingestFrames([{ message: sunny, gateway: 'sun' }]);
    await deliver(many, [
      frame(box, [{ timeS: at(0), values: [5 * KWH] }]),
      ...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((generation) => event(box, { generation, fromS: at(1) + generation * 60 })),
      frame(box, [{ timeS: at(1), values: [KWH] }]),
    ]);
    expect((await contributions(many, 1))[0]).toMatchObject({ importMwh: undefined });
    // One counter gone mad holds up nobody else.
    expect(await (await world.own()).settleDue()).toMatchObject({ versions: 2 });
    expect((await rebuild({ store: many.store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
  });

  it('remembers what the old counter had come to, days before', async () => {
    const day = 96;
    const reread = (box: Box) =>
      frame(box, [
        { timeS: at(day), values: [100 * KWH] },
        { timeS: at(day + 1), values: [101 * KWH] },
      ]);
    for (const isTold of [false, true]) {
      const one = await street();
      const { box, world } = one;
      world.clock.setS(at(3 * day + 1));
      const readings = [0, 3 * day].map((step) => frame(box, [{ timeS: at(step), values: [(500 + step) * KWH] }]));
      const told = event(box, { generation: 2, fromS: at(3 * day) - 60 });
      await deliver(one, [...readings, ...(isTold ? [told, reread(box)] : [reread(box), told])]);
      expect((await contributions(one, day + 1))[day]).toMatchObject({ importMwh: undefined });
    }
  });

  it('is refused for a time that nothing was read in yet', async () => {
    const early = await street();
    await deliver(early, [event(early.box, { generation: 2, fromS: at(0) + 3601 })]);
    expect((await (await early.world.own()).rows()).get('meter', 'kettle-m')).toMatchObject({ generation: 1 });
  });

  it('is taken from a box that was away for half a year', async () => {
    const away = await street();
    const { box, world } = away;
    world.clock.setS(at(2) + 180 * 86_400);
    await deliver(away, [
      frame(box, [{ timeS: at(0), values: [100 * KWH] }]),
      frame(box, [{ timeS: at(1), values: [1] }]),
      event(box, { generation: 2, fromS: at(1) }),
      frame(box, [{ timeS: at(2), values: [KWH] }]),
    ]);
    expect((await contributions(away, 2))[1]).toMatchObject({ importMwh: KWH - 1 });
  });
});

describe('the order in which readings and events come', () => {
  const kinds = fc.constantFrom('on', 'on', 'on', 'on', 'missing', 'zero', 'high', 'reset', 'leap', 'beside');

  /** A day of one counter: what the box seals, in the order it seals it. */
  function sealDay(box: Box, plan: readonly (readonly [string, number])[]): Sent[] {
    const sent: Sent[] = [];
    let value = 500 * KWH;
    let generation = 1;
    plan.forEach(([kind, grows], step) => {
      const timeS = at(step) + (kind === 'beside' ? 120 : 0);
      if (kind === 'reset' && step > 0) {
        sent.push(event(box, { generation: ++generation, fromS: timeS, last: value, first: 0 }));
        value = 0;
      }
      if (kind === 'leap') value += 400 * KWH;
      value += grows;
      const shown = kind === 'zero' ? 0 : kind === 'high' ? value + 900 * KWH : value;
      if (kind !== 'missing') sent.push({ kind: 'frame', message: box.seal([{ timeS, values: [shown] }]) });
    });
    return sent;
  }

  /** Frames by rank; the events keep their order among themselves, as their generations rise. */
  function shuffled(sent: readonly Sent[], ranks: readonly number[]): Sent[] {
    const order = sent.map((_, i) => ranks[i % ranks.length]!);
    const events = sent.flatMap(({ kind }, i) => (kind === 'event' ? [i] : []));
    const sorted = events.map((i) => order[i]!).sort((a, b) => a - b);
    events.forEach((i, n) => {
      order[i] = sorted[n]!;
    });
    return sent
      .map((one, i) => ({ one, rank: order[i]!, i }))
      .sort((a, b) => a.rank - b.rank || a.i - b.i)
      .map(({ one }) => one);
  }

  it('changes neither what an interval counts nor any balance', async () => {
    let shared = 0;
    const plans = fc.record({
      plan: fc.array(fc.tuple(kinds, fc.integer({ min: 0, max: 2 * KWH })), { minLength: 6, maxLength: 24 }),
      ranks: fc.array(fc.nat(1_000_000), { minLength: 7, maxLength: 40 }),
      settleEvery: fc.integer({ min: 1, max: 9 }),
      policy: fc.constantFrom(OUTAGE_POLICY.leaveOut, OUTAGE_POLICY.estimate),
    });
    await fc.assert(
      fc.asyncProperty(plans, async ({ plan, ranks, settleEvery, policy }) => {
        const [straight, mixed] = [await street(policy), await street(policy)];
        for (const one of [straight, mixed]) {
          one.world.clock.setS(at(plan.length));
          const rising = plan.map((_, step) => ({ timeS: at(step), values: [step * 2 * KWH] }));
          const message = one.sun.seal(rising);
          await (await one.world.own()).ingestFrames([{ message, gateway: 'sun' }]);
        }
        await deliver(straight, sealDay(straight.box, plan));
        const list = shuffled(sealDay(mixed.box, plan), ranks);
        for (let from = 0; from < list.length; from += settleEvery) {
          await deliver(mixed, list.slice(from, from + settleEvery));
          await (await mixed.world.own()).settleDue();
        }
        for (const { world } of [straight, mixed]) await (await world.own()).settleDue();
        expect(await contributions(mixed, plan.length)).toEqual(await contributions(straight, plan.length));
        expect(await rootOf(mixed)).toBe(await rootOf(straight));
        if ((await (await straight.world.own()).rows()).all('balance').length > 0) shared += 1;
        expect((await rebuild({ store: mixed.store, community: 'sunny', crypto: testCrypto })).equal).toBe(true);
      }),
      { numRuns: 40 },
    );
    // Or the equal roots would say nothing.
    expect(shared).toBeGreaterThan(3);
  });
});
