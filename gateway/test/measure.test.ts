import { channelValues, EventCode, sampleTimesS } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import { EDGE_MS, meterConfig, TestBox } from './support/box.js';
import { FakeMeter, settle, unreachable } from './support/fakes.js';

const QUARTER_MS = 900_000;

/** A box whose clock runs, polled every five minutes, beginning a little after an edge. */
async function runningBox(options: ConstructorParameters<typeof TestBox>[0] = {}): Promise<TestBox> {
  const box = new TestBox({ ...options, config: { pollS: 300, ...options.config } });
  box.clock.utcMs = EDGE_MS + 1000;
  box.clock.run(box.timers);
  return box.start();
}

const frames = ({ ledger }: TestBox) => ledger.accepted.map(({ payload }) => payload);

describe('a running box', () => {
  it('polls on the grid of UTC and seals at the edges', async () => {
    const box = await runningBox();
    await box.timers.advance(2 * QUARTER_MS);
    expect(frames(box).map((frame) => sampleTimesS(frame).map((s) => s - EDGE_MS / 1000))).toEqual([
      [300, 600, 900],
      [1200, 1500, 1800],
    ]);
  });

  it('keeps what it read between edges through a power cut', async () => {
    const box = await runningBox();
    await box.timers.advance(700_000);
    expect(box.disk.samples.size).toBe(2);
    await box.restart();
    await box.timers.advance(QUARTER_MS);
    // The frame breaks where the box was away.
    expect(frames(box).map((frame) => sampleTimesS(frame).map((s) => s - EDGE_MS / 1000))).toEqual([[300, 600], [900]]);
    expect(frames(box).map(({ mono }) => mono.boot)).toEqual([2, 2]);
  });

  it('asks a dead meter at every edge, and in between less and less', async () => {
    const box = await runningBox({ config: { pollS: 1, intervalS: 60, meters: [meterConfig(0)] } });
    box.meters[0]!.failure = unreachable;
    const asked: number[] = [];
    const read = box.meters[0]!.read.bind(box.meters[0]);
    box.meters[0]!.read = (unit, range) => {
      asked.push(Math.round(box.clock.now().utcMs / 1000) - EDGE_MS / 1000);
      return read(unit, range);
    };
    await box.timers.advance(300_000);
    expect(asked.slice(0, 5)).toEqual([2, 3, 5, 9, 17]);
    for (const edge of [60, 120, 180, 240, 300]) expect(asked).toContain(edge);
    expect(asked.length).toBeLessThan(20);
    expect(box.gateway.view().status.meters).toMatchObject([{ state: 'refusing' }]);
  });

  it('ends a frame where a meter missed a poll', async () => {
    const box = await runningBox({ config: { pollS: 60 } });
    await box.timers.advance(120_000);
    box.meters[0]!.failure = unreachable;
    await box.timers.advance(60_000);
    box.meters[0]!.failure = undefined;
    await box.timers.advance(QUARTER_MS);
    expect(sampleTimesS(frames(box)[0]!).map((s) => s - EDGE_MS / 1000)).toEqual([60, 120]);
    expect(sampleTimesS(frames(box)[1]!)[0]! - EDGE_MS / 1000).toBe(240);
  });

  it('tells that its clock was set, and begins a new frame', async () => {
    const box = await runningBox();
    await box.timers.advance(400_000);
    box.clock.utcMs -= 3_600_000;
    await box.timers.advance(QUARTER_MS * 4);
    const told = frames(box).filter(({ events }) => events !== undefined);
    expect(told.map(({ events }) => events)).toEqual([[{ offsetS: 0, code: EventCode.clockStep, argument: 3600 }]]);
    expect(told[0]!.startS).toBeLessThan(EDGE_MS / 1000);
  });

  it('tells the power now, from the meter or from its counters', async () => {
    const box = await runningBox();
    box.meters[0]!.values = [0n, 0n, 0n];
    await box.timers.advance(300_000);
    box.meters[0]!.powerW = -400;
    // 100 Wh of sun in five minutes are 1200 W.
    box.meters[0]!.values = [0n, 0n, 100_000n];
    await box.timers.advance(300_000);
    expect(box.lives.at(-1)).toMatchObject({ importW: 0, exportW: 400, generationW: 1200, useW: 800 });
    expect(JSON.parse(Buffer.from(box.broker.on('live').at(-1)!).toString())).toMatchObject({
      export_w: 400,
      generation_w: 1200,
    });
    expect(box.stats.power).toMatchObject({ generationW: 1200 });
  });
});

describe('counters', () => {
  it('that began anew are told to the ledger before the frame with the reading that confirms it', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [100_000n, 10n, 0n]);
    await box.step(EDGE_MS + QUARTER_MS, [5n, 11n, 0n]);
    expect(box.ledger.requests).toEqual([]);
    await box.step(EDGE_MS + 2 * QUARTER_MS, [9n, 12n, 0n]);
    expect(box.ledger.requests).toMatchObject([
      {
        kind: 5,
        meter: 'meter-0',
        generation: 2,
        fromS: EDGE_MS / 1000 + 900,
        channels: [
          { quantity: 1, last: 100_000n, first: 5n },
          { quantity: 2, last: 11n, first: 11n },
          { quantity: 3, last: 0n, first: 0n },
        ],
      },
    ]);
    const order = box.broker.published
      .map(({ topic }) => topic.split('/').at(-1))
      .filter((leaf) => leaf === 'frame' || leaf === 'event');
    expect(order).toEqual(['frame', 'frame', 'event', 'frame']);
    // What the meter said was sent each time.
    expect(frames(box).map(({ channels }) => channels[0]!.first)).toEqual([100_000n, 5n, 9n]);
    expect(box.stats.pending).toBe(0);
  });

  it('are judged across a restart', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [100_000n]);
    await box.step(EDGE_MS + QUARTER_MS, [5n]);
    await box.restart();
    await box.step(EDGE_MS + 2 * QUARTER_MS, [9n]);
    expect(box.ledger.requests).toMatchObject([{ kind: 5, generation: 2 }]);
    await box.step(EDGE_MS + 3 * QUARTER_MS, [1n]);
    await box.step(EDGE_MS + 4 * QUARTER_MS, [2n]);
    expect(box.ledger.requests).toMatchObject([{ generation: 2 }, { generation: 3 }]);
  });

  it('are told again until the ledger has answered, through a power cut too', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [100n]);
    await box.step(EDGE_MS + QUARTER_MS, [5n]);
    box.broker.toLedger = ({ topic }) => topic.endsWith('/frame');
    const report = box.lonelyStep(EDGE_MS + 2 * QUARTER_MS, [9n]);
    expect(await report).toMatchObject({ receipts: 1, pending: 1 });
    await box.restart();
    await settle();
    expect(box.ledger.requests).toHaveLength(1);
    expect(box.stats.pending).toBe(0);
  });
});

describe('a box that is nearly full', () => {
  it('gives up readings between edges before it seals, counts them, and tells the ledger', async () => {
    const box = new TestBox({ config: { pollS: 60, outboxLimit: 40 } });
    box.clock.utcMs = EDGE_MS + 1000;
    box.clock.run(box.timers);
    box.gateway.start();
    // No broker: nothing is answered. The first quarter's 15 samples are sealed, the next make it nearly full.
    await box.timers.advance(3 * QUARTER_MS);
    const { lostReadings } = box.gateway.view().status;
    expect(lostReadings).toBeGreaterThan(0);
    box.broker.connect();
    await settle();
    await box.timers.advance(QUARTER_MS);
    const times = frames(box).flatMap((frame) => sampleTimesS(frame).map((s) => s - EDGE_MS / 1000));
    for (const edge of [900, 1800, 2700]) expect(times).toContain(edge);
    const told = frames(box).flatMap(({ events = [] }) => events.filter(({ code }) => code === EventCode.gap));
    expect(told.reduce((sum, { argument }) => sum + argument, 0)).toBe(box.gateway.view().status.lostReadings);
    expect(box.gateway.view().status.lostReadings + times.length).toBe(60);
  });

  it('stops polling when it is full, drops no frame, and goes on when answers make room', async () => {
    const box = new TestBox({ config: { outboxLimit: 16 } });
    box.gateway.start();
    for (let i = 0; i < 20; i++) await box.lonelyStep(EDGE_MS + i * QUARTER_MS, [BigInt(i)]);
    expect(box.stats).toMatchObject({ pending: 16, lost_readings: 4 });
    expect(box.condition).toBe('outbox-full');
    const asked = box.meters[0]!.requests;
    expect(asked).toBe(16);
    box.broker.connect();
    await settle();
    expect(frames(box)).toHaveLength(16);
    await box.step(EDGE_MS + 20 * QUARTER_MS, [20n]);
    expect(frames(box)).toHaveLength(17);
    expect(box.condition).toBe('ready');
    expect(frames(box).at(-1)!.events).toEqual([{ offsetS: 0, code: EventCode.gap, argument: 4 }]);
  });

  it('loses no more than the readings of the moment when the disk takes nothing, and says so', async () => {
    const box = await new TestBox().start();
    await box.step(EDGE_MS, [1n]);
    box.disk.full = true;
    expect(await box.step(EDGE_MS + QUARTER_MS, [2n])).toMatchObject({ sealed: 0 });
    expect(box.condition).toBe('outbox-broken');
    box.disk.full = false;
    await box.step(EDGE_MS + 2 * QUARTER_MS, [3n]);
    expect(box.condition).toBe('ready');
    expect(frames(box).map(({ number, channels }) => [number, channelValues(channels[0]!)[0]])).toEqual([
      [1, 1n],
      [2, 3n],
    ]);
    expect(box.stats.lost_readings).toBe(1);
  });
});

describe('many meters', () => {
  it('with more channels than a frame takes lose nothing in a crash between two frames', async () => {
    const meters = [0, 1, 2, 3, 4, 5, 6].map((index) => meterConfig(index));
    const box = await new TestBox({ meters: 7, config: { meters } }).start();
    for (const meter of box.meters) meter.values = [1n, 2n, 3n];
    let commits = 0;
    const { commit } = box.outbox;
    box.outbox.commit = (batch) => {
      if (++commits === 2) throw new Error('power cut');
      return commit.call(box.outbox, batch);
    };
    await box.step(EDGE_MS);
    box.meters.splice(0, 7, ...box.meters.map(() => new FakeMeter()));
    for (const meter of box.meters) meter.values = [undefined];
    await box.restart();
    await settle();
    await box.step(EDGE_MS + QUARTER_MS);
    const cells = frames(box).flatMap(({ channels }) =>
      channels.map(({ meterIndex, quantity }) => `${meterIndex}.${quantity}`),
    );
    expect(cells).toHaveLength(21);
    expect(new Set(cells).size).toBe(21);
  });
});
