/** The story of a soak: begin, flow and die, come to rest, add everything up. */
import { fileURLToPath } from 'node:url';
import type { Settlement } from '../e2e/support/co-op.js';
import { ROOT } from '../e2e/support/program.js';
import { seededRandom } from '../e2e/support/seed.js';
import type { TempFolder } from '../e2e/support/temp-folder.js';
import { pauseMs, until } from '../e2e/support/until.js';
import { checkChains, signedFrames } from './checks/chains.js';
import { checkEnergies } from './checks/energies.js';
import { proveAll, readLog } from './checks/log.js';
import { replayRecordedStreets } from './checks/recorded-streets.js';
import { commonwatt } from './command.js';
import { expectThat } from './expect-that.js';
import { runFleet } from './fleet/fleet.js';
import type { SoakOptions } from './options.js';
import { drawKills, strikeAll } from './reaper.js';
import { Rest } from './rest.js';
import { Strangers } from './strangers.js';
import { INTERVAL_S, timesOf } from './street.js';
import { World } from './world.js';

const DRAINED_WITHIN_MS = 180_000;
const SETTLED_WITHIN_MS = 180_000;
const WHOLE = ['measured', 'interpolated', 'estimated'];
const PROGRESS_EVERY_MS = 15_000;
const LOOK_EVERY_MS = 500;

type Say = (line: string) => void;

export class Soak {
  readonly #options: SoakOptions;
  readonly #folder: TempFolder;
  readonly #say: Say;
  #world: World | undefined;

  constructor(options: SoakOptions, folder: TempFolder, say: Say) {
    this.#options = options;
    this.#folder = folder;
    this.#say = say;
  }

  /** The last words of each process, when something went wrong. */
  get lastWords(): string {
    return this.#world?.lastWords() ?? '';
  }

  /** Resolves with the figures when all is as it has to be. Throws a sentence when something is not. */
  async run(): Promise<readonly string[]> {
    const { minutes, kills } = this.#options;
    this.#say('founding a community of 24 homes');
    const times = timesOf(minutes, Date.now() / 1_000);
    const world = await World.found(this.#options, times, this.#folder);
    this.#world = world;
    await world.begin();
    this.#say(`frames flow for ${minutes} minutes, ${kills} times something dies`);
    const strangers = await this.#flow(world);
    const lastS = await this.#comeToRest(world);
    const figures = await this.#addUp(world, lastS);
    await this.#fleet();
    const { repeated, bent, httpRequests, mqttConnections, mqttPackets } = strangers.counts;
    return [
      ...figures,
      `strangers: ${repeated} frames repeated, ${bent} bent, ${httpRequests} HTTP requests, ${mqttConnections} MQTT connections and ${mqttPackets} packets`,
      ...(await this.#recorded()),
    ];
  }

  async #fleet(): Promise<void> {
    const { fleet: gateways, broker } = this.#options;
    if (gateways === 0) this.#say('fleet: not in this street');
    else await runFleet({ gateways, broker }, this.#folder, this.#say);
  }

  async #recorded(): Promise<readonly string[]> {
    if (!this.#options.withRecorded) return ['recorded streets: not with this street'];
    this.#say('recorded streets, whole');
    return replayRecordedStreets();
  }

  async #flow(world: World): Promise<Strangers> {
    const random = seededRandom(this.#options.seed);
    const moments = drawKills(world, this.#options, random);
    const strangers = new Strangers(world, seededRandom(this.#options.seed + 1));
    const endMs = performance.now() + this.#options.minutes * 60_000;
    let struck = 0;
    const progress = setInterval(() => {
      const { frames, framesSent, answers } = world.recorder;
      this.#say(`${struck} kills, ${frames.size} frames (sent ${framesSent} times), ${answers.size} answers`);
    }, PROGRESS_EVERY_MS);
    try {
      await strikeAll(moments, (count) => {
        struck = count;
      });
      await pauseMs(endMs - performance.now());
      await strangers.stop();
      if (strangers.failure !== undefined) throw strangers.failure;
      await strangers.visit();
      for (const victim of world.victims) await victim.alive();
    } finally {
      clearInterval(progress);
    }
    return strangers;
  }

  /** Time stands at an edge ahead of all clocks: each meter is read once more, every frame answered, every interval settled. */
  async #comeToRest(world: World): Promise<number> {
    const gridS = Math.max(INTERVAL_S, world.times.truthS);
    const lastS = (Math.floor((await world.simulatedS()) / gridS) + 2) * gridS;
    this.#say('polling stops; waiting for what is on its way');
    await world.stepTo(lastS);
    await until('every box without a frame that waits', DRAINED_WITHIN_MS, async () => {
      await pauseMs(LOOK_EVERY_MS);
      return (await world.stats()).every(({ pending }) => pending === 0);
    });
    for (const one of await world.stats()) {
      const { gateway, lost_readings: lost, epoch } = one;
      expectThat(lost === 0, `${gateway}: ${lost} readings were lost`);
      expectThat(epoch === 1, `${gateway}: is in epoch ${epoch}, where nothing should have made it ask for another`);
    }
    return lastS;
  }

  async #addUp(world: World, lastS: number): Promise<readonly string[]> {
    const rest = new Rest(world.ledgerUrl, world.coOp.community);
    const settlements = await this.#settlements(world, rest, lastS);
    const truthFile = this.#folder.at('truth.csv');
    await world.sim.ask('truth', { file: truthFile });
    this.#say('adding up');
    const { frames, strange } = signedFrames(world);
    checkChains(world, frames);
    const sums = checkEnergies(world, { frames, settlements, lastS, truthFile });
    const log = await readLog(world, rest);
    const proved = proveAll(world, log, frames);
    const stray = ['evidence', 'gap', 'gateway_epoch', 'gatewayEpoch'].filter((kind) => kind in log.kinds);
    expectThat(
      stray.length === 0,
      `the log has entries of kind ${stray.join(', ')}, where nothing should have made any`,
    );
    const inLog = log.kinds.frame ?? 0;
    expectThat(inLog === frames.length, `the log has ${inLog} frames, ${frames.length} were signed`);
    checkShares(settlements);
    const estimated = settlements.flatMap(({ lines }) => lines.filter(({ quality }) => quality === 'estimated')).length;
    expectThat(
      estimated > 0 || this.#options.kills === 0,
      'no kill cost a reading at an edge: nothing was there to estimate',
    );
    for (const victim of world.victims) if (victim.failure !== undefined) throw victim.failure;
    await world.stopInOrder();
    await world.coOp.balances();
    const versions = settlements.reduce((sum, { version }) => sum + version, 0);
    const tables = await this.#rebuild(world);
    const count = (what: string, victims: readonly { kills: number }[]) =>
      `${victims.reduce((sum, { kills }) => sum + kills, 0)} of ${what}`;
    const { broker, ledger, gateways, recorder } = world;
    return [
      `kills: ${count('gateways', gateways)}, ${count('the ledger', [ledger])}, ${count('the broker', broker ? [broker] : [])}`,
      `frames: ${frames.length} signed, sent ${recorder.framesSent} times, ${strange} of strangers; no number over two contents`,
      `receipts: ${proved.receipts} proved, and ${proved.checkpoints} checkpoints`,
      `intervals: ${settlements.length} of ${world.boxes.length} meters, in ${versions} versions, ${estimated} lines estimated`,
      `energy: ${sums.channels} counters, ${sums.readings} readings, ${sums.bookedMwh / 1_000_000n} kWh booked, each as its counter grew`,
      `log: ${log.leaves.length} entries, root ${log.root.slice(0, 16)}; ${tables} tables fold to the same anew, now and in ten years`,
    ];
  }

  /** The newest settlement of every interval, when all of them have every meter. */
  async #settlements(world: World, rest: Rest, lastS: number): Promise<readonly Settlement[]> {
    const whole: Settlement[] = [];
    for (let startS = world.times.startS; startS < lastS; startS += INTERVAL_S) {
      const found = await until(`every meter settled in the interval of ${startS}`, SETTLED_WITHIN_MS, async () => {
        const one = await rest.settlement(startS);
        const isWhole = one?.lines.length === world.boxes.length;
        if (isWhole && one?.lines.every(({ quality }) => WHOLE.includes(quality))) return one;
        await pauseMs(LOOK_EVERY_MS);
        return undefined;
      });
      whole.push(found);
    }
    return whole;
  }

  /** How many tables came out the same, with the clock of today and with one that is ten years ahead. */
  async #rebuild(world: World): Promise<number> {
    this.#say('folding the log anew, twice');
    const preload = fileURLToPath(new URL('tests/soak/ten-years-on.mjs', ROOT));
    const args = ['rebuild', '--data', world.coOp.data, '--json'];
    const now = await commonwatt(args);
    const later = await commonwatt(args, ['--import', preload]);
    expectThat(now.equal === true, `rebuild: ${JSON.stringify(now)}`);
    expectThat(later.equal === true, `rebuild in ten years: ${JSON.stringify(later)}`);
    const hashes = (report: typeof now) =>
      (report.communities as readonly { root: string; tables: readonly { table: string; after: string }[] }[]).flatMap(
        ({ root, tables }) => [root, ...tables.map(({ table, after }) => `${table} ${after}`)],
      );
    expectThat(hashes(now).join() === hashes(later).join(), 'rebuild: other hashes with the clock ten years on');
    return hashes(now).length - 1;
  }
}

/** In each interval what was received is what was delivered. */
function checkShares(settlements: readonly Settlement[]): void {
  for (const { start, lines } of settlements) {
    const sum = (field: 'received_kwh' | 'delivered_kwh') =>
      lines.reduce((total, line) => total + BigInt(line[field].replace('.', '')), 0n);
    const [received, delivered] = [sum('received_kwh'), sum('delivered_kwh')];
    expectThat(received === delivered, `interval ${start}: received ${received} mWh, delivered ${delivered}`);
  }
}
