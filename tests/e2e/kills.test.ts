/** Gateways and ledger die by kill -9, again and again, while frames flow: nothing is lost, nothing counts twice. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoOp, type MemberBalance, type ServedLedger, type Settlement } from './support/co-op.js';
import { type EdgeRules, grownBetween } from './support/counter-edges.js';
import { countersOf, readFrame } from './support/frame-reader.js';
import { type MiddleMan, startTap } from './support/middle-man.js';
import type { JsonLine, Program } from './support/program.js';
import type { SealedFrame } from './support/sealed-boxes.js';
import { drawSeed, seededRandom } from './support/seed.js';
import { GatewayProcess, type SharedClock, startStreet } from './support/street-processes.js';
import { TempFolder } from './support/temp-folder.js';
import { pauseMs, until } from './support/until.js';
import { WireClient } from './support/wire-client.js';

const HOMES = ['linden-2', 'linden-4', 'linden-7', 'linden-8'];
const KILLS_OF_LEDGER = 3;
const KILLS_OF_GATEWAYS = 5;
/** Simulated seconds in a second: an interval a second. */
const SPEED = 300;
const POLL_S = 30;
const RULES: EdgeRules = { intervalS: 300, maxSpanS: 3_600 };
/** A summer's noon: there is sun. Long ago, so that the simulated day stays behind the ledger's real clock. */
const START_S = Date.UTC(2024, 5, 21, 10) / 1_000;
/** The street begins a little before the first edge. */
const LEAD_S = 600;
/** How far the first reading may be from its edge, both ways, when it is compared with what really happened. */
const SLACK_S = POLL_S + 20;
const STORY_WITHIN_MS = 150_000;

const seed = drawSeed();
const random = seededRandom(seed);

describe(`${KILLS_OF_LEDGER + KILLS_OF_GATEWAYS} kills under load (seed ${seed})`, () => {
  const folder = new TempFolder('kills');
  const boxes: GatewayProcess[] = [];
  let tap: MiddleMan;
  /** What boxes ever put on the wire. */
  const published: Published[] = [];
  let sim: Program;
  let coOp: CoOp;
  let ledger: ServedLedger;
  let lastEdgeS: number;
  let frames: readonly TappedFrame[];
  let stats: readonly JsonLine[];
  let settlements: readonly Settlement[];
  let balances: readonly MemberBalance[];

  beforeAll(async () => {
    tap = await startTap((topic, payload, isSent) => {
      if (isSent) published.push({ topic, payload });
    });
    const settings = ['--interval', '5m', '--netting', 'none', '--max-span', `${RULES.maxSpanS}`, '--levy', '100'];
    coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: START_S, settings });
    const street = await startStreet(9, seed);
    sim = street.sim;
    for (const id of HOMES) {
      const home = street.homes.find((one) => one.id === id)!;
      const options = ['--mqtt', tap.url, '--poll', `${POLL_S}`];
      boxes.push(await GatewayProcess.enrol({ coOp, home, folder, settings: options }));
    }
    ledger = await serve();
    await runAndKill();
    await comeToRest();
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await Promise.all(boxes.map((box) => box.stop()));
    await sim?.stop();
    await ledger?.program.stop();
    await tap?.stop();
    folder.remove();
  });

  it('have hit their victims, and all are back', async () => {
    expect(boxes.reduce((sum, { kills }) => sum + kills, 0)).toBe(KILLS_OF_GATEWAYS);
    expect(boxes.map(({ isAlive }) => isAlive)).toEqual(HOMES.map(() => true));
    expect(await ledger.health()).toBe(200);
    expect(frames.length).toBeGreaterThan(HOMES.length * 10);
    expect(published.filter(({ topic }) => topic.endsWith('/frame')).length).toBeGreaterThan(frames.length);
  });

  it('let no number be signed over two contents, and burn none', () => {
    expect(new Set(frames.map(({ kid }) => kid)).size).toBe(HOMES.length);
    for (const id of HOMES) {
      const chain = frames.filter(({ home }) => home === id);
      expect(new Set(chain.map(({ kid }) => kid)).size).toBe(1);
      expect(chain.map(({ number }) => number)).toEqual(chain.map((_, at) => at + 1));
      expect(chain.every(({ epoch }) => epoch === 1)).toBe(true);
      for (const [at, { previous }] of chain.entries()) if (at > 0) expect(previous).toBe(chain[at - 1]!.hash);
    }
  });

  it('leave no frame without a receipt, and no reading lost', async () => {
    for (const one of stats) expect(one).toMatchObject({ pending: 0, refused: 0, lost_readings: 0, epoch: 1 });
    const wire = await WireClient.connect(ledger.mqttUrl, coOp);
    try {
      await wire.publish(frames);
      await wire.receipts(frames, 20_000);
    } finally {
      await wire.close();
    }
    const counts = await ledger.entryCounts();
    expect(counts).toMatchObject({ frame: frames.length });
    expect(Object.keys(counts).filter((kind) => ['evidence', 'gap', 'gateway_epoch'].includes(kind))).toEqual([]);
  });

  it('leave every interval settled with what each counter grew by: between its first and last edge to the mWh', () => {
    expect(settlements.length).toBeGreaterThan(8);
    for (const box of boxes) {
      for (const [register, field] of NETTED) {
        const { grown } = grownBetween(readingsOf(box, register), edges(), RULES);
        expect(`${box.home} ${register} ${sumOf(box, field)}`).toBe(`${box.home} ${register} ${grown}`);
      }
    }
  });

  it('leave the sums where the meters really were, by the file of what happened', async () => {
    const truth = await readTruth();
    for (const box of boxes) {
      const resolutionMwh = box.file.meters[0]!.profile === 'reference' ? 0n : COARSE_MWH;
      for (const [register, field] of NETTED) {
        const { firstS, lastS } = grownBetween(readingsOf(box, register), edges(), RULES);
        // A home without sun has nothing to say of its export: it is nought.
        const isTold = [...truth.keys()].some((key) => key.endsWith(` ${box.home} ${register}`));
        const at = (timeS: number) => (isTold ? truth.get(`${timeS} ${box.home} ${register}`)! : 0n);
        expect(lastS).toBe(lastEdgeS);
        const booked = sumOf(box, field);
        expect(booked).toBeGreaterThanOrEqual(at(lastS) - at(firstS + SLACK_S) - resolutionMwh);
        expect(booked).toBeLessThanOrEqual(at(lastS) - at(firstS - SLACK_S) + resolutionMwh);
      }
    }
    for (const [, field] of NETTED) expect(boxes.some((box) => sumOf(box, field) > 0n)).toBe(true);
  });

  it('leave sums of zero in each interval and in all, and a log that folds to the same anew', async () => {
    for (const { lines, start } of settlements) {
      const received = lines.reduce((sum, { received_kwh: kwh }) => sum + millionths(kwh), 0n);
      const delivered = lines.reduce((sum, { delivered_kwh: kwh }) => sum + millionths(kwh), 0n);
      expect({ start, received }).toEqual({ start, received: delivered });
    }
    expect(balances.reduce((sum, { credits }) => sum + millionths(credits), 0n)).toBe(0n);
    expect(balances.reduce((sum, { energy_kwh: kwh }) => sum + millionths(kwh), 0n)).toBe(0n);
    expect(await ledger.program.stop()).toBe(0);
    expect(await coOp.rebuild()).toMatchObject({ equal: true });
  });

  async function serve(): Promise<ServedLedger> {
    const served = await coOp.serve();
    tap.brokerPort = served.mqttPort;
    return served;
  }

  /** While the street runs and a neighbour repeats what it heard, victims die one after the other. */
  async function runAndKill(): Promise<void> {
    const clock: SharedClock = {
      base_ms: (START_S - LEAD_S) * 1_000,
      start_ns: process.hrtime.bigint().toString(),
      speed: SPEED,
    };
    await Promise.all([sim.ask('clock', clock), ...boxes.map((box) => box.run(clock))]);
    const parrot = new Parrot(tap.url, published);
    const victims = [
      ...Array.from({ length: KILLS_OF_LEDGER }, () => 'ledger' as const),
      ...Array.from({ length: KILLS_OF_GATEWAYS }, (_, at) => boxes[at % boxes.length]!),
    ];
    for (let left = victims.length; left > 0; left--) {
      await pauseMs(300 + random() * 1_200);
      const [victim] = victims.splice(Math.floor(random() * left), 1);
      await (victim === 'ledger' ? killLedger() : killBox(victim!));
    }
    // A few edges pass that nobody dies at.
    await pauseMs(1_500);
    await parrot.stop();
  }

  async function killLedger(): Promise<void> {
    tap.brokerPort = undefined;
    await ledger.program.kill();
    await pauseMs(random() * 400);
    ledger = await serve();
  }

  async function killBox(box: GatewayProcess): Promise<void> {
    await box.kill();
    await pauseMs(random() * 400);
    await box.restart();
  }

  /** Time stands at an edge ahead of all clocks: each meter is read once more, and every frame answered. */
  async function comeToRest(): Promise<void> {
    const { t_ms: nowMs } = await sim.ask('stats');
    lastEdgeS = (Math.floor(Number(nowMs) / 1_000 / RULES.intervalS) + 2) * RULES.intervalS;
    await sim.ask('now', { t_ms: lastEdgeS * 1_000 });
    await Promise.all(boxes.map((box) => box.step(lastEdgeS * 1_000)));
    stats = await until('boxes without a frame that waits', 40_000, async () => {
      const all = await Promise.all(boxes.map((box) => box.stats()));
      return all.every(({ pending }) => pending === 0) ? all : undefined;
    });
    frames = distinctFrames(published);
    settlements = await until('every interval settled with every meter', 40_000, async () => {
      const starts = edges().slice(0, -1);
      const all = await Promise.all(starts.map((startS) => ledger.settlement(startS)));
      const isWhole = all.every((one) => one?.lines.every(({ quality }) => WHOLE.includes(quality)));
      return isWhole ? (all as readonly Settlement[]) : undefined;
    });
    balances = await coOp.balances();
  }

  function edges(): readonly number[] {
    const count = (lastEdgeS - START_S) / RULES.intervalS + 1;
    return Array.from({ length: count }, (_, at) => START_S + at * RULES.intervalS);
  }

  /** In mWh by UTC second, from the frames alone. */
  function readingsOf(box: GatewayProcess, register: 'import' | 'export'): ReadonlyMap<number, bigint> {
    const own = frames.filter(({ home }) => home === box.home);
    const readings = [...countersOf(own.map(({ message }) => message)).values()][0]![register];
    const quantity = register === 'import' ? 1 : 2;
    const channel = box.file.meters[0]!.channels.find((one) => one.quantity === quantity);
    const unitMwh = 10n ** BigInt((channel?.exponent ?? 0) + 3);
    return new Map([...readings].map(([timeS, value]) => [timeS, value * unitMwh]));
  }

  function sumOf(box: GatewayProcess, field: 'need_kwh' | 'offer_kwh'): bigint {
    const meter = box.file.meters[0]!.id;
    const lines = settlements.flatMap((one) => one.lines.filter((line) => line.meter === meter));
    return lines.reduce((sum, line) => sum + millionths(line[field]), 0n);
  }

  /** Counters by second, home and register, in mWh. */
  async function readTruth(): Promise<ReadonlyMap<string, bigint>> {
    await sim.ask('truth', { file: folder.at('truth.csv') });
    const rows = readFileSync(folder.at('truth.csv'), 'utf8').trim().split('\n').slice(1);
    return new Map(
      rows.flatMap((row): [string, bigint][] => {
        const [time = '', home, meter, register, kwh = ''] = row.split(',');
        return meter === '0' ? [[`${Date.parse(time) / 1_000} ${home} ${register}`, millionths(kwh)]] : [];
      }),
    );
  }
});

/** Registers of Wh, and of float32 that count in steps of about one. */
const COARSE_MWH = 4_000n;
const WHOLE = ['measured', 'interpolated'];
/** With netting `none` a line's need is the import of its meter, its offer the export. */
const NETTED = [
  ['import', 'need_kwh'],
  ['export', 'offer_kwh'],
] as const;

interface Published {
  readonly topic: string;
  readonly payload: Uint8Array;
}

interface TappedFrame extends SealedFrame {
  readonly home: string;
  readonly kid: string;
  readonly epoch: number;
  readonly number: number;
  readonly previous: string;
}

/** Every content that was ever signed, once, by key and number; two contents under one number stay two. */
function distinctFrames(published: readonly Published[]): readonly TappedFrame[] {
  const found = new Map<string, TappedFrame>();
  for (const { topic, payload } of published) {
    if (!topic.endsWith('/frame')) continue;
    const hash = createHash('sha256').update(payload).digest('hex');
    const { kid, epoch, number, previous } = readFrame(payload);
    found.set(hash, { topic, message: payload, hash, home: topic.split('/')[3]!, kid, epoch, number, previous });
  }
  return [...found.values()].sort((a, b) => (a.kid < b.kid ? -1 : a.kid > b.kid ? 1 : a.number - b.number));
}

/** Publishes frames of others again and again, as a broker that redelivers, or a neighbour with ill will, would. */
class Parrot {
  readonly #published: readonly Published[];
  readonly #client: MqttClient;
  readonly #timer: NodeJS.Timeout;

  constructor(url: string, published: readonly Published[]) {
    this.#published = published;
    this.#client = mqtt.connect(url, { protocolVersion: 4, reconnectPeriod: 100, queueQoSZero: false });
    this.#client.on('error', () => undefined);
    this.#timer = setInterval(() => this.#repeat(), 20);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client.endAsync(true);
  }

  #repeat(): void {
    const heard = this.#published.filter(({ topic }) => topic.endsWith('/frame'));
    const again = heard[Math.floor(random() * heard.length)];
    if (again !== undefined && this.#client.connected) {
      this.#client.publish(again.topic, Buffer.from(again.payload), { qos: 0 });
    }
  }
}

/** A decimal with six places as a whole number. */
function millionths(decimal: string): bigint {
  return BigInt(decimal.replace('.', ''));
}
