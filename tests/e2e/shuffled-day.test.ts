/** A day of ten homes arrives in any order, twice, and while the ledger dies: the money is the same. */
import { cpSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { balancesRoot } from './support/balances-root.js';
import { CoOp, type MemberBalance, type ServedLedger } from './support/co-op.js';
import { countersOf, sharedKwh } from './support/frame-reader.js';
import { type JsonLine, Program } from './support/program.js';
import { SealedBox, type SealedFrame } from './support/sealed-boxes.js';
import { drawSeed, seededRandom, shuffled } from './support/seed.js';
import { TempFolder } from './support/temp-folder.js';
import { pauseMs, until } from './support/until.js';

const HOMES = 10;
const FRAMES_A_HOME = 96;
const INTERVAL_S = 900;
const START_S = Date.UTC(2024, 5, 21) / 1_000;
const SETTLES_EVERY_MS = 500;
/** Every third frame comes twice in the first round, some three times. */
const REPEATED = 0.35;
const STORY_WITHIN_MS = 150_000;

const seed = drawSeed();
const random = seededRandom(seed);

describe(`a day of ${HOMES} homes, ${FRAMES_A_HOME} frames each (seed ${seed})`, () => {
  const folder = new TempFolder('shuffled-day');
  const running = new Set<Program>();
  let shuffledDay: Outcome;
  let orderedDay: Outcome;
  let frames: readonly SealedFrame[];

  beforeAll(async () => {
    const coOp = await CoOp.begin(folder.at('shuffled'), { firstIntervalS: START_S, settings: ['--levy', '250'] });
    const boxes: SealedBox[] = [];
    for (let home = 0; home < HOMES; home++) boxes.push(await SealedBox.enrol(coOp, `home-${home}`, random));
    frames = sealDay(boxes);
    // The same ids, keys and log up to here: from now on only the order differs.
    cpSync(folder.at('shuffled'), folder.at('ordered'), { recursive: true });
    const indices = [...frames.keys()];
    const twice = indices.flatMap((at) => (random() < REPEATED ? [at, at] : [at]));
    const again = indices.filter(() => random() < REPEATED / 3);
    shuffledDay = await carry(coOp, shuffled([...twice, ...again], random), { killAt: 0.5 });
    orderedDay = await carry(coOp.at(folder.at('ordered')), indices);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await Promise.all([...running].map((program) => program.kill()));
    folder.remove();
  });

  it('has a receipt for each frame in the end, though the ledger was killed in the middle', () => {
    expect(shuffledDay.publisher).toMatchObject({ done: true, receipts: HOMES * FRAMES_A_HOME });
    expect(Number(shuffledDay.publisher.connections)).toBeGreaterThan(1);
    expect(Number(shuffledDay.publisher.published)).toBeGreaterThan(HOMES * FRAMES_A_HOME * 1.2);
    expect(shuffledDay.entries).toMatchObject({ frame: HOMES * FRAMES_A_HOME });
    expect(shuffledDay.entries).not.toHaveProperty('gap');
    expect(shuffledDay.entries).not.toHaveProperty('evidence');
  });

  it('ends with the balances, and their root, of the same day delivered in order', () => {
    expect(orderedDay.publisher).toMatchObject({ done: true, connections: 1 });
    expect(shuffledDay.balances).toEqual(orderedDay.balances);
    expect(shuffledDay.root).toBe(orderedDay.root);
    expect(shuffledDay.balances.filter(({ credits }) => credits !== '0.000000').length).toBeGreaterThan(HOMES);
  });

  it('shares what the frames alone say, in each of its intervals', () => {
    const toS = START_S + FRAMES_A_HOME * INTERVAL_S;
    const homes = countersOf(frames.map(({ message }) => message));
    expect(shuffledDay.sharedKwh).toBe(sharedKwh(homes, { fromS: START_S, toS, intervalS: INTERVAL_S }));
    expect(orderedDay.sharedKwh).toBe(shuffledDay.sharedKwh);
  });

  it('is the same again when both logs are folded anew', () => {
    expect(shuffledDay.rebuilt).toMatchObject({ equal: true });
    expect(orderedDay.rebuilt).toMatchObject({ equal: true });
  });

  /** Has another process publish the frames in this order until each has its receipt, and reads what came of it. */
  async function carry(coOp: CoOp, order: readonly number[], { killAt = 1 } = {}): Promise<Outcome> {
    let ledger = await served(coOp.serve());
    const plan = { url: ledger.mqttUrl, community: coOp.community, window: 32, order, frames: frames.map(toWire) };
    const planFile = `${coOp.data}.plan.json`;
    writeFileSync(planFile, JSON.stringify(plan));
    const publisher = new Program('publish-frames', [planFile]);
    running.add(publisher);
    if (killAt < 1) {
      const published = Math.floor(order.length * killAt);
      await publisher.line('half of the day', 60_000, (line) => Number(line.published) >= published);
      await ledger.program.kill();
      ledger = await served(coOp.serve(ledger.mqttPort));
    }
    const last = await publisher.line('a receipt for each frame', 90_000, ({ done }) => done !== undefined);
    const shared = await settledShares(ledger);
    const entries = await ledger.entryCounts();
    const balances = await coOp.balances();
    await ledger.program.stop();
    return {
      sharedKwh: shared,
      publisher: last,
      entries,
      balances,
      root: balancesRoot(balances),
      rebuilt: await coOp.rebuild(),
    };
  }

  async function served(starting: Promise<ServedLedger>): Promise<ServedLedger> {
    const ledger = await starting;
    running.add(ledger.program);
    return ledger;
  }
});

interface Outcome {
  readonly publisher: JsonLine;
  readonly entries: Readonly<Record<string, number>>;
  readonly balances: readonly MemberBalance[];
  readonly root: string;
  readonly sharedKwh: string;
  readonly rebuilt: JsonLine;
}

function toWire({ topic, message }: SealedFrame) {
  return { topic, message: Buffer.from(message).toString('hex') };
}

/** Once the ledger has settled all it knows: what was shared in the whole day. */
async function settledShares(ledger: ServedLedger): Promise<string> {
  return until('every interval settled with every home', 40_000, async () => {
    if (!(await standsStill(ledger))) return undefined;
    let sharedMwh = 0;
    for (let at = 0; at < FRAMES_A_HOME; at++) {
      const settlement = await ledger.settlement(START_S + at * INTERVAL_S);
      if (!settlement?.lines.every(({ quality }) => quality === 'measured')) return undefined;
      sharedMwh += Math.round(Number(settlement.totals.shared_kwh) * 1e6);
    }
    return (sharedMwh / 1e6).toFixed(6);
  });
}

/** Nothing was written for longer than the ledger waits between two looks at what is due. */
async function standsStill(ledger: ServedLedger): Promise<boolean> {
  const size = async () => (await ledger.get<{ size: number }>('')).size;
  const before = await size();
  await pauseMs(SETTLES_EVERY_MS);
  return (await size()) === before;
}

/** Half of the homes have sun in the daytime. The first frame of each tells of both edges of the first interval. */
function sealDay(boxes: readonly SealedBox[]): readonly SealedFrame[] {
  const counters = boxes.map(() => ({ imported: Math.floor(random() * 1e9), exported: Math.floor(random() * 1e9) }));
  const frames: SealedFrame[] = [];
  for (let at = 0; at < FRAMES_A_HOME; at++) {
    for (const [home, box] of boxes.entries()) {
      const before = counters[home]!;
      const isSunny = home % 2 === 0 && at > 28 && at < 76;
      const used = Math.floor(random() * 200_000);
      const made = isSunny ? Math.floor(random() * 500_000) : 0;
      const first = at === 0;
      const grown = { imported: before.imported + used, exported: before.exported + made };
      const channel = (quantity: 1 | 2, from: number, to: number) => ({
        ...{ meterIndex: 0, quantity, status: 0 },
        ...(first ? { first: BigInt(from), deltas: [to - from] } : { first: BigInt(to), deltas: [] }),
      });
      frames.push(
        box.next({
          startS: START_S + (first ? 0 : (at + 1) * INTERVAL_S),
          step: first ? INTERVAL_S : [],
          channels: [channel(1, before.imported, grown.imported), channel(2, before.exported, grown.exported)],
        }),
      );
      counters[home] = grown;
    }
  }
  return frames;
}
