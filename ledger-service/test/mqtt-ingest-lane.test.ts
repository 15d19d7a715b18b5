import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_BATCH_FRAMES } from '../src/adapters/mqtt/batch-size.js';
import {
  IngestLane,
  MAX_HELD_BYTES_OF_GATEWAY,
  MAX_HELD_BYTES_OF_STRANGERS,
  MAX_HELD_MESSAGES,
  MAX_HELD_OF_GATEWAY,
  MAX_HELD_OF_STRANGERS,
  MAX_QUEUED_MESSAGES,
} from '../src/adapters/mqtt/ingest-lane.js';
import type { Intake } from '../src/adapters/mqtt/message-bus.js';
import { EchoCommunity, until } from './support/pump-fakes.js';

let street: EchoCommunity;
let lane: IngestLane;
/** Lets the commit go on that is under way, and all after it. */
let open: () => void;

beforeEach(() => {
  street = new EchoCommunity();
  open = () => {};
});

afterEach(async () => {
  open();
  await lane.idle();
});

function laneOf({ busWaits, deliver = async () => {} }: { busWaits: boolean; deliver?: () => Promise<void> }) {
  return new IngestLane({
    id: 'sunny',
    community: street,
    busWaits,
    monotonicMs: () => performance.now(),
    deliver,
    committed: () => {},
    log: () => {},
  });
}

function closeGate(): void {
  street.gate = new Promise((resolve) => {
    open = resolve;
  });
}

function offer(gateway: string, text: string, kind: 'frame' | 'event' = 'frame'): Intake {
  return lane.offer({ kind, gateway, message: Buffer.from(text) });
}

/** A batch is under way and does not end before the gate opens: what is offered from now on waits. */
async function holdUp(): Promise<Intake[]> {
  closeGate();
  const first = offer('first', 'first');
  await until('the first batch is under way', () => lane.queued === 0);
  return [first];
}

/** Which of the intakes were refused. */
async function refusedOf(intakes: readonly Intake[]): Promise<boolean[]> {
  const settled = await Promise.allSettled(intakes.map(({ kept }) => kept));
  return settled.map(({ status }) => status === 'rejected');
}

describe('turns in front of the ledger', () => {
  beforeEach(() => {
    lane = laneOf({ busWaits: false });
  });

  it('decides a fresh frame before the backlogs of others', async () => {
    const all = await holdUp();
    for (let n = 0; n < 300; n += 1) for (let g = 0; g < 100; g += 1) all.push(offer(`home${g}`, `home${g} ${n}`));
    all.push(offer('live', 'fresh'));
    open();
    await Promise.all(all.map(({ kept }) => kept));
    expect(street.seen.indexOf('fresh')).toBe(1 + 100);
  });

  it('keeps the order of one gateway, events among frames', async () => {
    const all = await holdUp();
    const expected: string[] = [];
    for (let n = 0; n < 60; n += 1) {
      const kind = n % 7 === 3 ? 'event' : 'frame';
      all.push(offer('home1', `${n}`, kind), offer('home2', `other ${n}`));
      expected.push(kind === 'event' ? `event ${n}` : `${n}`);
    }
    open();
    await Promise.all(all.map(({ kept }) => kept));
    expect(street.seen.filter((text) => !/other|first/.test(text))).toEqual(expected);
  });

  it('gives all strangers together the turn of one gateway', async () => {
    const all = await holdUp();
    for (let n = 0; n < 500; n += 1) all.push(offer(`stranger${n}`, `noise ${n}`));
    for (let n = 0; n < 20; n += 1) all.push(offer('home1', `home1 ${n}`));
    open();
    await Promise.all(all.map(({ kept }) => kept));
    expect(street.seen.indexOf('home1 19')).toBe(2 * 20);
  });
});

describe('senders that nobody can make wait', () => {
  beforeEach(() => {
    lane = laneOf({ busWaits: false });
  });

  it('are turned away beyond what may wait of one gateway, and others are not', async () => {
    const before = await holdUp();
    const all = Array.from({ length: MAX_HELD_OF_GATEWAY + 10 }, (_, n) => offer('home1', `${n}`));
    const other = offer('home2', 'mine');
    open();
    const refused = await refusedOf(all);
    expect(refused.indexOf(true)).toBe(MAX_HELD_OF_GATEWAY);
    expect(refused.filter(Boolean).length).toBe(10);
    expect(lane.counts.turnedAway).toBe(10);
    expect(await refusedOf([other, ...before])).toEqual([false, false]);
  });

  it('are turned away beyond the bytes that may wait of one gateway', async () => {
    await holdUp();
    const long = 'x'.repeat(64 * 1024);
    const fit = MAX_HELD_BYTES_OF_GATEWAY / long.length;
    const all = Array.from({ length: fit + 3 }, () => offer('home1', long));
    open();
    expect((await refusedOf(all)).filter(Boolean).length).toBe(3);
  });

  it('share what may wait of strangers, whatever names they invent', async () => {
    await holdUp();
    const short = Array.from({ length: MAX_HELD_OF_STRANGERS + 500 }, (_, n) => offer(`stranger${n}`, `${n}`));
    const home = offer('home1', 'mine');
    open();
    expect((await refusedOf(short)).filter(Boolean).length).toBe(500);
    expect(await refusedOf([home])).toEqual([false]);
    await lane.idle();
    await holdUp();
    const long = 'x'.repeat(60 * 1024);
    const all = Array.from({ length: 100 }, (_, n) => offer(`stranger${n}`, long));
    open();
    const kept = (await refusedOf(all)).filter((isRefused) => !isRefused).length;
    expect(kept * long.length).toBeLessThanOrEqual(MAX_HELD_BYTES_OF_STRANGERS);
    expect(kept).toBeGreaterThan(0);
  });

  it('are held up to a bound over all, above which each has its one', async () => {
    await holdUp();
    const gateways = MAX_HELD_MESSAGES / MAX_HELD_OF_GATEWAY;
    const all: Intake[] = [];
    for (let g = 0; g < gateways; g += 1) {
      for (let n = 0; n < MAX_HELD_OF_GATEWAY; n += 1) all.push(offer(`home${g}`, 'x'));
    }
    expect(lane.queued).toBe(MAX_HELD_MESSAGES);
    const late = [offer('late', '1'), offer('late', '2')];
    open();
    expect(await refusedOf(late)).toEqual([false, true]);
    expect((await refusedOf(all)).some(Boolean)).toBe(false);
  });
});

describe('a bus that waits for room', () => {
  beforeEach(() => {
    lane = laneOf({ busWaits: true });
  });

  it('gets room for a bounded number of messages, and for the others as they are decided', async () => {
    closeGate();
    let inside = 0;
    const all = Array.from({ length: 10_000 }, (_, n) => offer('home1', `${n}`));
    for (const { room } of all) void room.then(() => (inside += 1));
    // The first batch is under way, and the next one is taken out before it waits for the first.
    const bound = MAX_QUEUED_MESSAGES + 2 * MAX_BATCH_FRAMES;
    await until('two batches have made room', () => inside >= MAX_QUEUED_MESSAGES + MAX_BATCH_FRAMES);
    expect(inside).toBeLessThanOrEqual(bound);
    open();
    await Promise.all(all.map(({ kept }) => kept));
    expect(street.seen).toEqual(Array.from({ length: 10_000 }, (_, n) => `${n}`));
    expect(lane.counts.turnedAway).toBe(0);
  });

  it('does not wait for word of its answers while messages find no room', async () => {
    // The word comes over the connection that stands still.
    lane = laneOf({ busWaits: true, deliver: () => new Promise(() => {}) });
    const all = Array.from({ length: MAX_QUEUED_MESSAGES + 100 }, (_, n) => offer('home1', `${n}`, 'event'));
    await Promise.all(all.map(({ room }) => room));
    expect(street.seen.length).toBeGreaterThanOrEqual(100);
    lane = laneOf({ busWaits: true });
  });
});
