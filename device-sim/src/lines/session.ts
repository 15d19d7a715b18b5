import type { Quantity } from '@commonwatt/firmware-protocol';
import type { SettableClock } from '../clock.js';
import type { SimDevice } from '../devices/device.js';
import { messageOf, SimError } from '../errors.js';
import { readRegisterFile } from '../replay/register-file.js';
import { Replayer } from '../replay/replayer.js';
import { readDefaultStreet, withCount } from '../scenarios.js';
import type { Scenario } from '../street/scenario.js';
import { readStateFile, writeStateFile } from '../street/state-file.js';
import { Street } from '../street/street.js';
import type { Request } from './requests.js';

type RequestOf<Kind extends Request['kind']> = Extract<Request, { kind: Kind }>;

/** What stands behind the servers, if anything yet. */
type Stage =
  | { readonly kind: 'empty' }
  | { readonly kind: 'street'; readonly street: Street; readonly stateFile: string | undefined }
  | { readonly kind: 'replay'; readonly replayer: Replayer };

export interface SessionOptions {
  readonly host: string;
  readonly clock: SettableClock;
  /** For people: what went wrong while nobody was asking. */
  readonly report: (text: string) => void;
}

/** The street is brought to the present, and its state saved, this often in real time. */
const TICK_MS = 1000;

/** One parent's simulator: a street or a recorded file, and the requests that drive it. Requests come one by one. */
export class Session {
  readonly #options: SessionOptions;
  #stage: Stage = { kind: 'empty' };
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  #isSaving = false;
  #lastProblem = '';

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** The fields of the answer beside `id`. Throws SimError. */
  async handle(request: Request): Promise<object> {
    switch (request.kind) {
      case 'street':
        return this.#openStreet(request);
      case 'load':
        return this.#load(request);
      case 'clock':
        this.#options.clock.run(request);
        this.#tick();
        return {};
      case 'now':
        return this.#show(request);
      case 'stats':
        return this.#stats();
      case 'truth':
        return this.#writeTruth(request);
      case 'fault':
        return this.#setFault(request);
      case 'stop':
        await this.stop();
        return {};
    }
  }

  /** Saves the street's state and closes every port. May be called again. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const stage = this.#stage;
    this.#stage = { kind: 'empty' };
    if (stage.kind === 'replay') stage.replayer.stop();
    if (stage.kind !== 'street') return;
    stage.street.advance();
    stage.street.stop();
    await this.#saving;
    if (stage.stateFile !== undefined) await writeStateFile(stage.stateFile, stage.street.saved);
  }

  async #openStreet(request: RequestOf<'street'>): Promise<object> {
    this.#requireEmpty('street');
    const saved = request.stateFile === undefined ? undefined : await readStateFile(request.stateFile);
    const street = new Street({
      scenario: await chooseScenario(request),
      clock: this.#options.clock,
      host: this.#options.host,
      firstPort: 0,
      intervalMs: request.intervalMs,
      ...(saved === undefined ? {} : { saved }),
    });
    await street.start();
    this.#stage = { kind: 'street', street, stateFile: request.stateFile };
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    return { homes: describeStreet(street, this.#options.host) };
  }

  async #load({ file }: RequestOf<'load'>): Promise<object> {
    this.#requireEmpty('load');
    const recorded = await readRegisterFile(file);
    const replayer = new Replayer(recorded, this.#options.host);
    await replayer.start();
    this.#stage = { kind: 'replay', replayer };
    const homes = replayer.homes.map(({ id, recorded: home, device }) => ({
      id,
      registers: [...home.series.keys()],
      readings: home.readings,
      ...describeDevice(device, this.#options.host),
    }));
    const { instantsMs, readings, duplicates, blanks } = recorded;
    return {
      homes,
      first_ms: instantsMs[0],
      last_ms: instantsMs.at(-1),
      readings,
      duplicates,
      blanks,
      instants_ms: instantsMs,
    };
  }

  async #show({ timeMs }: RequestOf<'now'>): Promise<object> {
    if (this.#stage.kind === 'replay') {
      await this.#stage.replayer.show(timeMs);
    } else {
      this.#options.clock.stand(timeMs);
      this.#requireStreet('now').advance();
    }
    return { t_ms: timeMs };
  }

  #stats(): object {
    const stage = this.#stage;
    if (stage.kind === 'empty') return { requests: 0, connections: 0 };
    if (stage.kind === 'replay') return stage.replayer.stats;
    const { stats, truth } = stage.street;
    return { ...stats, truth: { rows: truth.size, dropped: truth.dropped }, t_ms: this.#options.clock.nowMs() ?? null };
  }

  async #writeTruth({ file }: RequestOf<'truth'>): Promise<object> {
    const street = this.#requireStreet('truth');
    street.advance();
    const { rows } = await street.truth.write(file);
    return { file, rows, dropped: street.truth.dropped };
  }

  async #setFault({ home, device: index, fault, count }: RequestOf<'fault'>): Promise<object> {
    const device = this.#devicesOf(home)[index];
    if (device === undefined) throw new SimError('unknown-home', `home ${home} has no device ${index}`);
    if (fault === undefined) await device.heal();
    else await device.setFault(fault, count);
    return { home, device: index };
  }

  #devicesOf(home: string): readonly SimDevice[] {
    const stage = this.#stage;
    const found =
      stage.kind === 'street'
        ? stage.street.homes.find(({ scenario }) => scenario.id === home)?.devices
        : stage.kind === 'replay'
          ? stage.replayer.homes.filter(({ id }) => id === home).map(({ device }) => device)
          : undefined;
    if (found === undefined || found.length === 0) throw new SimError('unknown-home', `there is no home ${home}`);
    return found;
  }

  /** Errors of saving are told once, not every second; the street goes on. */
  #tick(): void {
    const stage = this.#stage;
    if (stage.kind !== 'street') return;
    stage.street.advance();
    const { stateFile } = stage;
    if (stateFile === undefined || this.#isSaving || this.#options.clock.nowMs() === undefined) return;
    // One at a time: a disk that needs longer than a tick gets the next state later, not a queue of them.
    this.#isSaving = true;
    this.#saving = writeStateFile(stateFile, stage.street.saved)
      .catch((error: unknown) => this.#reportOnce(messageOf(error)))
      .finally(() => {
        this.#isSaving = false;
      });
  }

  #reportOnce(problem: string): void {
    if (problem !== this.#lastProblem) this.#options.report(problem);
    this.#lastProblem = problem;
  }

  #requireEmpty(what: string): void {
    if (this.#stage.kind === 'empty') return;
    throw new SimError('wrong-order', `${what}: this simulator already has a ${this.#stage.kind}`);
  }

  #requireStreet(what: string): Street {
    if (this.#stage.kind === 'street') return this.#stage.street;
    throw new SimError('wrong-order', `${what}: expected a street before it, got ${this.#stage.kind}`);
  }
}

async function chooseScenario({ homes, count, location, seed }: RequestOf<'street'>): Promise<Scenario> {
  const built = await readDefaultStreet();
  const scenario: Scenario = {
    title: built.title,
    location: location ?? built.location,
    seed: seed ?? built.seed,
    homes: homes ?? built.homes,
  };
  return count === undefined ? scenario : withCount(scenario, count);
}

/** What a parent needs to know of a street: who lives there, and where the devices are. */
export function describeStreet(street: Street, host: string): object[] {
  return street.homes.map(({ scenario, devices }) => ({
    id: scenario.id,
    name: scenario.name ?? scenario.id,
    class: scenario.class,
    panels_kwp: scenario.panels.reduce((sum, panels) => sum + panels.kwp, 0),
    battery_kwh: scenario.battery?.kwh ?? 0,
    devices: devices.map((device) => ({ ...describeDevice(device, host), channels: device.channels })),
  }));
}

interface DeviceDescription {
  readonly profile: string;
  readonly host: string;
  readonly port: number;
  readonly unit: number;
  readonly channels: readonly Quantity[];
}

function describeDevice({ profile, server, channels }: SimDevice, host: string): DeviceDescription {
  return { profile: profile.name, host, port: server.port, unit: profile.unit, channels };
}
