/**
 * A small street of real processes on one fast clock: simulated meters, a gateway process a home, a wild broker in
 * between, a served ledger. What befell it, in the end it must be as if nothing had: `expectWhole`.
 */
import { createHash } from 'node:crypto';
import { cpSync } from 'node:fs';
import { expect } from 'vitest';
import { balancesRoot } from '../../e2e/support/balances-root.js';
import { CoOp, type ServedLedger, type Settlement } from '../../e2e/support/co-op.js';
import { type EdgeRules, grownBetween } from '../../e2e/support/counter-edges.js';
import { countersOf, readFrame } from '../../e2e/support/frame-reader.js';
import type { JsonLine, Program } from '../../e2e/support/program.js';
import type { SealedFrame } from '../../e2e/support/sealed-boxes.js';
import { seededRandom } from '../../e2e/support/seed.js';
import { GatewayProcess, type SharedClock, startStreet } from '../../e2e/support/street-processes.js';
import { TempFolder } from '../../e2e/support/temp-folder.js';
import { until } from '../../e2e/support/until.js';
import { WireClient } from '../../e2e/support/wire-client.js';
import { WildBroker } from './wild-broker.js';

const RULES: EdgeRules = { intervalS: 300, maxSpanS: 3_600 };
/** A late morning two days ago: there is sun, and simulated days stay behind the ledger's real clock. */
const START_S = (Math.floor(Date.now() / 86_400_000) - 2) * 86_400 + 10 * 3_600;
const LEAD_S = 600;
const POLL_S = 60;
const REST_WITHIN_MS = 30_000;
const WHOLE = ['measured', 'interpolated'];

export interface FaultStreetOptions {
  readonly seed: number;
  readonly homes: readonly string[];
  /** Simulated seconds in a second. */
  readonly speed?: number;
  /** Where the first home's box keeps its things, instead of the folder of the street. */
  readonly boxDisk?: { at(...parts: readonly string[]): string };
  /** A broker outside instead of the embedded one. */
  readonly brokerUrl?: string;
}

interface HeardFrame extends SealedFrame {
  readonly home: string;
  readonly number: number;
  readonly epoch: number;
  readonly previous: string;
}

export class FaultStreet {
  readonly folder = new TempFolder('faults');
  readonly boxes: GatewayProcess[] = [];
  broker!: WildBroker;
  coOp!: CoOp;
  sim!: Program;
  ledger!: ServedLedger;
  readonly #options: FaultStreetOptions;
  #lastEdgeS = 0;

  private constructor(options: FaultStreetOptions) {
    this.#options = options;
  }

  /** Everything runs; time stands until `go`. */
  static async build(options: FaultStreetOptions): Promise<FaultStreet> {
    const street = new FaultStreet(options);
    street.broker = await WildBroker.start(seededRandom(options.seed));
    const settings = ['--interval', '5m', '--netting', 'none', '--max-span', `${RULES.maxSpanS}`, '--levy', '100'];
    street.coOp = await CoOp.begin(street.folder.at('ledger'), { firstIntervalS: START_S, settings });
    const { sim, homes } = await startStreet(8, options.seed);
    street.sim = sim;
    for (const [at, id] of options.homes.entries()) {
      const home = homes.find((one) => one.id === id)!;
      const folder = (at === 0 ? options.boxDisk : undefined) ?? street.folder;
      const input = { coOp: street.coOp, home, folder: folder as TempFolder };
      const box = await GatewayProcess.enrol({
        ...input,
        settings: ['--mqtt', street.broker.url, '--poll', `${POLL_S}`],
      });
      street.boxes.push(box);
    }
    // The same keys and log up to here: what is delivered later to the copy was never disturbed.
    cpSync(street.folder.at('ledger'), street.folder.at('undisturbed'), { recursive: true });
    await street.serve();
    return street;
  }

  get frames(): readonly HeardFrame[] {
    const found = new Map<string, HeardFrame>();
    for (const { topic, payload } of this.broker.published) {
      const hash = createHash('sha256').update(payload).digest('hex');
      if (found.has(hash)) continue;
      const { number, epoch, previous } = readFrame(payload);
      found.set(hash, { topic, message: payload, hash, home: topic.split('/')[3]!, number, epoch, previous });
    }
    return [...found.values()].sort((a, b) => (a.home < b.home ? -1 : a.home > b.home ? 1 : a.number - b.number));
  }

  async serve(): Promise<void> {
    const { brokerUrl } = this.#options;
    this.ledger = await (brokerUrl === undefined ? this.coOp.serve() : this.coOp.serveAt(brokerUrl));
    this.broker.brokerPort = this.ledger.mqttPort;
  }

  async go(): Promise<void> {
    const clock: SharedClock = {
      base_ms: (START_S - LEAD_S) * 1_000,
      start_ns: process.hrtime.bigint().toString(),
      speed: this.#options.speed ?? 600,
    };
    await Promise.all([this.sim.ask('clock', clock), ...this.boxes.map((box) => box.run(clock))]);
  }

  /** Simulated seconds since 1970. */
  async nowS(): Promise<number> {
    return Number((await this.sim.ask('stats')).t_ms) / 1_000;
  }

  /** Until so much simulated time has passed. */
  async pass(seconds: number): Promise<void> {
    const endS = (await this.nowS()) + seconds;
    await until(`${seconds} simulated seconds`, 60_000, async () => (await this.nowS()) >= endS);
  }

  /** Until the ledger has answered so many frames more of each home. */
  async answered(more: number): Promise<void> {
    const before = (await this.stats()).map(({ receipts }) => Number(receipts));
    await until(`${more} receipts more`, REST_WITHIN_MS, async () =>
      (await this.stats()).every(({ receipts }, at) => Number(receipts) >= before[at]! + more),
    );
  }

  stats(): Promise<JsonLine[]> {
    return Promise.all(this.boxes.map((box) => box.stats()));
  }

  /** Time stands at an edge ahead of all clocks; each meter is read once more, and every frame answered. */
  async rest(): Promise<void> {
    this.#lastEdgeS = (Math.floor((await this.nowS()) / RULES.intervalS) + 2) * RULES.intervalS;
    await this.sim.ask('now', { t_ms: this.#lastEdgeS * 1_000 });
    await Promise.all(this.boxes.map((box) => box.step(this.#lastEdgeS * 1_000)));
    await until('boxes without a frame that waits', REST_WITHIN_MS, async () =>
      (await this.stats()).every(({ pending }) => pending === 0),
    );
  }

  /** After `rest`: nothing lost, nothing twice, and the balances of the same frames delivered without trouble. */
  async expectWhole({ lostReadings = 0 } = {}): Promise<void> {
    for (const one of await this.stats()) expect(one).toMatchObject({ pending: 0, refused: 0, epoch: 1 });
    const lost = (await this.stats()).reduce((sum, { lost_readings: count }) => sum + Number(count), 0);
    expect(lost).toBeLessThanOrEqual(lostReadings);
    this.#expectChains();
    const counts = await this.ledger.entryCounts();
    expect(counts).toMatchObject({ frame: this.frames.length });
    expect(counts).not.toHaveProperty('evidence');
    await this.#expectEnergies();
    const root = balancesRoot(await this.coOp.balances());
    expect(await this.#undisturbedRoot()).toBe(root);
  }

  /** After `rest`, where a box had to begin a new epoch: no number over two contents, and no energy lost or doubled. */
  async expectSound(): Promise<void> {
    for (const one of await this.stats()) expect(one).toMatchObject({ pending: 0, condition: 'ready' });
    const places = this.frames.map(({ home, epoch, number }) => `${home} ${epoch}/${number}`);
    expect(new Set(places).size).toBe(places.length);
    expect(await this.ledger.entryCounts()).not.toHaveProperty('evidence');
    await this.#expectEnergies();
  }

  async stop(): Promise<void> {
    await Promise.all(this.boxes.map((box) => box.stop()));
    await this.sim?.stop();
    await this.ledger?.program.stop();
    await this.broker?.stop();
    this.folder.remove();
  }

  /** Each number once, each frame naming the one before, none burnt. */
  #expectChains(): void {
    const { frames } = this;
    for (const { home } of this.boxes) {
      const chain = frames.filter((frame) => frame.home === home);
      expect(chain.length).toBeGreaterThan(0);
      expect(chain.map(({ number }) => number)).toEqual(chain.map((_, at) => at + 1));
      for (const [at, { previous }] of chain.entries()) if (at > 0) expect(previous).toBe(chain[at - 1]!.hash);
    }
  }

  /** Every interval settled with every meter, and their sum what the counters grew by, to the mWh. */
  async #expectEnergies(): Promise<void> {
    const edges = this.#edges();
    const settlements = await until('every interval settled with every meter', REST_WITHIN_MS, () =>
      allSettled(this.ledger, edges.slice(0, -1)),
    ).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${await this.#unsettled(edges.slice(0, -1))}`);
    });
    for (const box of this.boxes) {
      const meter = box.file.meters[0]!.id;
      const lines = settlements.flatMap((one) => one.lines.filter((line) => line.meter === meter));
      const booked = lines.reduce((sum, line) => sum + BigInt(line.need_kwh.replace('.', '')), 0n);
      const { grown } = grownBetween(this.#readingsOf(box), edges, RULES);
      expect(`${box.home} ${booked}`).toBe(`${box.home} ${grown}`);
    }
  }

  /** Which intervals, counted from the first, lack a meter, and the longest hole between two readings. */
  async #unsettled(starts: readonly number[]): Promise<string> {
    const missing: string[] = [];
    for (const [at, startS] of starts.entries()) {
      const lines = (await this.ledger.settlement(startS))?.lines;
      const isWhole = lines?.every(({ quality }) => WHOLE.includes(quality));
      if (isWhole !== true) missing.push(`${at} (${lines?.map(({ quality }) => quality).join() ?? 'none'})`);
    }
    const holes = this.boxes.map((box) => {
      const times = [...this.#readingsOf(box).keys()].sort((a, b) => a - b);
      return Math.max(...times.map((timeS, at) => timeS - (times[at - 1] ?? timeS)));
    });
    return `${missing.join('; ')} of ${starts.length}; longest holes ${holes.join()} s`;
  }

  async #undisturbedRoot(): Promise<string> {
    const calm = this.coOp.at(this.folder.at('undisturbed'));
    const served = await calm.serve();
    const wire = await WireClient.connect(served.mqttUrl, calm);
    try {
      await wire.publish(this.frames);
      await wire.receipts(this.frames, REST_WITHIN_MS);
      const starts = this.#edges().slice(0, -1);
      await until('the undisturbed ledger to settle', REST_WITHIN_MS, () => allSettled(served, starts));
      return balancesRoot(await calm.balances());
    } finally {
      await wire.close();
      await served.program.stop();
    }
  }

  #edges(): readonly number[] {
    const count = (this.#lastEdgeS - START_S) / RULES.intervalS + 1;
    return Array.from({ length: count }, (_, at) => START_S + at * RULES.intervalS);
  }

  /** The import counter in mWh by UTC second, from the frames alone. */
  #readingsOf(box: GatewayProcess): ReadonlyMap<number, bigint> {
    const own = this.frames.filter(({ home }) => home === box.home);
    const readings = [...countersOf(own.map(({ message }) => message)).values()][0]!.import;
    const channel = box.file.meters[0]!.channels.find(({ quantity }) => quantity === 1);
    const unitMwh = 10n ** BigInt((channel?.exponent ?? 0) + 3);
    return new Map([...readings].map(([timeS, value]) => [timeS, value * unitMwh]));
  }
}

async function allSettled(ledger: ServedLedger, starts: readonly number[]): Promise<readonly Settlement[] | undefined> {
  const all = await Promise.all(starts.map((startS) => ledger.settlement(startS)));
  const isWhole = all.every((one) => one?.lines.every(({ quality }) => WHOLE.includes(quality)));
  return isWhole ? (all as readonly Settlement[]) : undefined;
}
