import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex, keyId, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import type { Genesis } from '../../core/records/index.js';
import { type GatewayFile, gatewayFile, signHome } from '../community-setup.js';
import type { DataFolder } from '../data-folder.js';
import { LineChild } from '../line-child.js';
import { monotonicMs } from '../monotonic.js';
import type { LedgerService } from '../service.js';
import { GatewayProcess, type SharedTime } from './gateway-process.js';
import { parseStreet, placesOf, planOf, type StreetHome } from './street-homes.js';

/** For as long as somebody looks at the demo: a street without meters has nothing else to do. */
const SIM_RESTART_MS = 2_000;
const START_TIMEOUT_MS = 60_000;
/** Poll periods that divide an interval; about one poll in a real second. */
const POLLS_S = [10, 30, 60, 150, 300] as const;

export interface StreetParts {
  readonly folder: DataFolder;
  readonly service: LedgerService;
  readonly community: string;
  readonly genesis: Genesis;
  readonly homes: number;
  readonly time: SharedTime;
  readonly note: (line: string) => void;
}

/** The simulator and the gateways, as processes: started, watched, started again, stopped in order. */
export class Street {
  readonly #parts: StreetParts;
  #sim: LineChild | undefined;
  #homes: readonly StreetHome[] = [];
  #boxes: readonly GatewayProcess[] = [];
  #isStopping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: StreetParts) {
    this.#parts = parts;
  }

  get homes(): readonly StreetHome[] {
    return this.#homes;
  }

  get boxes(): readonly GatewayProcess[] {
    return this.#boxes;
  }

  async start(): Promise<void> {
    await this.#startSim();
    if (this.#isStopping) return;
    this.#boxes = this.#homes.map(({ id }) => this.#box(id));
    const keys = await Promise.all(this.#boxes.map((box) => box.publicKey()));
    for (const [i, home] of this.#homes.entries()) {
      if (this.#isStopping) return;
      await this.#enrol(home, fromHex(keys[i] as string));
    }
    await this.#runBoxes();
  }

  /** Gateways first, so that what they read last is sealed while the meters still answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#boxes.map((box) => box.stop()));
    await this.#sim?.stop();
  }

  /** At once, without order: when the time for an orderly stop is over. */
  kill(): void {
    for (const box of this.#boxes) box.kill();
    this.#sim?.kill();
  }

  #box(home: string): GatewayProcess {
    const { folder, time, note } = this.#parts;
    return new GatewayProcess({ home, data: folder.childFolder(join('gateway', home)), time, monotonicMs, note });
  }

  async #startSim(): Promise<void> {
    const { folder, homes, genesis, time, note } = this.#parts;
    const sim = new LineChild({ program: 'commonwatt-sim', name: 'simulator' });
    this.#sim = sim;
    const street = { count: homes, interval_s: genesis.intervalS, state_file: folder.childFolder('sim.json') };
    this.#homes = parseStreet(await sim.request('street', street, START_TIMEOUT_MS));
    await sim.request('clock', { base_ms: time.baseMs, start_ns: `${time.startNs}`, speed: time.speed });
    void sim.exited.then(() => {
      if (this.#isStopping || sim.isStopping) return;
      note(`simulator ended (${sim.lastWords.at(-1) ?? 'without a word'}); again in ${SIM_RESTART_MS / 1_000} s`);
      this.#timer = setTimeout(() => void this.#restart(), SIM_RESTART_MS);
    });
  }

  /** The meters come back on other ports, so every box is told anew. */
  async #restart(): Promise<void> {
    const { note } = this.#parts;
    try {
      await Promise.all(this.#boxes.map((box) => box.stop()));
      if (this.#isStopping) return;
      await this.#startSim();
      this.#boxes = this.#homes.map(({ id }) => this.#box(id));
      await this.#runBoxes();
      note('the street runs again');
    } catch (error) {
      note(error instanceof Error ? error.message : String(error));
      if (!this.#isStopping) this.#timer = setTimeout(() => void this.#restart(), SIM_RESTART_MS);
    }
  }

  async #runBoxes(): Promise<void> {
    const { folder, community, service, time } = this.#parts;
    const pollS = POLLS_S.find((periodS) => periodS >= time.speed) ?? 300;
    await Promise.all(
      this.#boxes.map((box, i) => {
        const known = readGatewayFile(folder.gatewayFile(community, box.home));
        const places = placesOf(this.#homes[i] as StreetHome);
        const meters = known.meters.map((meter, at) => ({ ...meter, ...places[at] }));
        const config: GatewayFile = { ...known, mqtt: service.bus.url, poll_s: pollS, meters };
        folder.writeGatewayFile(community, box.home, config);
        return box.run(config);
      }),
    );
  }

  /** Once for each home: the log knows it afterwards. */
  async #enrol(home: StreetHome, publicKey: Uint8Array): Promise<void> {
    const { folder, service, community, genesis } = this.#parts;
    if (existsSync(folder.gatewayFile(community, home.id))) return;
    const { ledger, crypto } = service.open;
    const operator = folder.readKey(community, 'operator');
    const books = await ledger.community(community);
    const plan = { ...planOf(home, publicKey), isNewMember: !(await this.#isMember(home.id)) };
    const nextNumber = await books.nextNumber(toHex(operator.publicKey));
    const signed = signHome(plan, { origin: genesis.origin, operator, hasher: crypto.hasher, nextNumber });
    await books.submit(signed.entries);
    const config = gatewayFile({
      community,
      origin: genesis.origin,
      logKey: toHex(genesis.logKey),
      answerKey: toHex(genesis.answerKey),
      intervalS: genesis.intervalS,
      pollS: 0,
      mqtt: service.bus.url,
      plan,
      // Asked of the log, not of what was just signed: the entry may be there from a start that was cut short.
      firstPrevious: await books.openingHash(toHex(keyId(crypto.hasher, publicKey))),
      places: placesOf(home),
    });
    folder.writeGatewayFile(community, home.id, config);
  }

  async #isMember(member: string): Promise<boolean> {
    const { ledger } = this.#parts.service.open;
    const rows = await (await ledger.community(this.#parts.community)).rows();
    return rows.get('party', member) !== undefined;
  }
}

function readGatewayFile(file: string): GatewayFile {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as GatewayFile;
  } catch (cause) {
    throw new LedgerError('bad-file', `${file} cannot be read: begin anew with --fresh`, { cause });
  }
}
