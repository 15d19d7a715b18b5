/** All processes of the soak, wired up: simulator, gateways, tap, ledger, and a broker of others where that was asked for. */
import mqtt, { type MqttClient } from 'mqtt';
import { CoOp, type GatewayFile } from '../e2e/support/co-op.js';
import { type MiddleMan, startTap } from '../e2e/support/middle-man.js';
import { type JsonLine, Program } from '../e2e/support/program.js';
import { seededRandom } from '../e2e/support/seed.js';
import type { TempFolder } from '../e2e/support/temp-folder.js';
import { expectThat } from './expect-that.js';
import { Mortal, watched } from './mortal.js';
import { freePort, MosquittoProcess } from './mosquitto-process.js';
import type { SoakOptions } from './options.js';
import { Recorder } from './recorder.js';
import { HOMES_A_PROCESS, INTERVAL_S, MAX_SPAN_S, POLL_S, SPEED, type StreetTimes, streetHomes } from './street.js';

const STARTED_WITHIN_MS = 120_000;
/** A box itself waits a minute for its receipts. */
const STEPPED_WITHIN_MS = 120_000;

export interface Box {
  readonly home: string;
  readonly publicKey: string;
  readonly file: GatewayFile;
  readonly data: string;
}

interface SimHome {
  readonly id: string;
  readonly devices: readonly { readonly profile: string; readonly port: number; readonly unit: number }[];
}

/** Where the clock is: standing before the first edge, running, or standing at an instant again. */
interface SharedClock {
  readonly base_ms: number;
  readonly start_ns: string;
  readonly speed: number;
}

export class World {
  readonly recorder = new Recorder();
  readonly boxes: readonly Box[];
  readonly coOp: CoOp;
  readonly sim: Program;
  readonly tap: MiddleMan;
  readonly gateways: Mortal<Program>[] = [];
  readonly ledger: Mortal<Program>;
  readonly broker: Mortal<MosquittoProcess> | undefined;
  readonly times: StreetTimes;
  ledgerUrl = '';
  #clock: SharedClock | undefined;
  #listener: MqttClient | undefined;

  private constructor(parts: {
    coOp: CoOp;
    sim: Program;
    tap: MiddleMan;
    recorder: Recorder;
    boxes: readonly Box[];
    times: StreetTimes;
    random: () => number;
    mosquitto: { port: number; config: string } | undefined;
  }) {
    const { mosquitto, random } = parts;
    this.coOp = parts.coOp;
    this.sim = parts.sim;
    this.tap = parts.tap;
    this.recorder = parts.recorder;
    this.boxes = parts.boxes;
    this.times = parts.times;
    this.ledger = new Mortal({ name: 'ledger', random, begin: () => this.#beginLedger(mosquitto?.port) });
    if (mosquitto !== undefined) {
      this.broker = new Mortal({
        name: 'mosquitto',
        random,
        begin: () => {
          const life = new MosquittoProcess(mosquitto.port, mosquitto.config);
          return { life, ready: life.ready };
        },
      });
      this.tap.brokerPort = mosquitto.port;
    }
    for (let from = 0; from < this.boxes.length; from += HOMES_A_PROCESS) {
      const boxes = this.boxes.slice(from, from + HOMES_A_PROCESS);
      const name = `gateways ${boxes[0]!.home} to ${boxes.at(-1)!.home}`;
      this.gateways.push(new Mortal({ name, random, begin: () => this.#beginGateways(boxes) }));
    }
  }

  /** Community, street and enrolled boxes; nothing runs yet but the simulator, whose clock stands. */
  static async found(options: SoakOptions, times: StreetTimes, folder: TempFolder): Promise<World> {
    const random = seededRandom(options.seed ^ 0x5eed);
    const settings = [
      ...['--interval', `${INTERVAL_S}`, '--netting', 'none', '--max-span', `${MAX_SPAN_S}`, '--levy', '100'],
      ...['--missing', 'estimate'],
      ...['--grace', `${times.graceS}`],
    ];
    const coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: times.startS, settings });
    const sim = watched(new Program('commonwatt-sim', ['--lines']));
    const { homes } = await sim.ask('street', { homes: streetHomes(random), seed: 1, interval_s: times.truthS });
    const recorder = new Recorder();
    const tap = await startTap((topic, payload, isSent) => recorder.take(topic, payload, isSent));
    const boxes = await enrolAll(coOp, homes as readonly SimHome[], { folder, mqttUrl: tap.url });
    const mosquitto =
      options.broker === 'mosquitto' ? { port: await freePort(), config: folder.at('mosquitto.conf') } : undefined;
    return new World({ coOp, sim, tap, recorder, boxes, times, random, mosquitto });
  }

  get victims(): readonly Mortal[] {
    return [...this.gateways, this.ledger, ...(this.broker === undefined ? [] : [this.broker])];
  }

  /** Starts everything at the first edge, where each meter is read once, exactly there; then time runs. */
  async begin(): Promise<void> {
    await this.broker?.start();
    await this.ledger.start();
    this.#listener = this.#listen();
    await Promise.all(this.gateways.map((gateway) => gateway.start()));
    await this.stepTo(this.times.startS);
    this.#clock = {
      base_ms: this.times.startS * 1_000,
      start_ns: process.hrtime.bigint().toString(),
      speed: SPEED,
    };
    await Promise.all([this.sim, ...this.gateways.map(({ life }) => life)].map((one) => one.ask('clock', this.#clock)));
  }

  /** Time stands at this instant: each meter is read once more, sealed and sent. */
  async stepTo(timeS: number): Promise<void> {
    this.#clock = undefined;
    await this.sim.ask('now', { t_ms: timeS * 1_000 });
    await Promise.all(this.gateways.map(({ life }) => life.ask('now', { t_ms: timeS * 1_000 }, STEPPED_WITHIN_MS)));
  }

  async simulatedS(): Promise<number> {
    return Number((await this.sim.ask('stats')).t_ms) / 1_000;
  }

  /** What each box counts. */
  async stats(): Promise<readonly JsonLine[]> {
    const all = await Promise.all(this.gateways.map(({ life }) => life.ask('stats')));
    return all.flatMap(({ gateways }) => gateways as readonly JsonLine[]);
  }

  /** Where whoever wants to can reach the broker itself. */
  get brokerUrl(): string {
    return `mqtt://127.0.0.1:${this.tap.brokerPort}`;
  }

  /** Ends the boxes in order, then the ledger. Throws where one does not end as it should. */
  async stopInOrder(): Promise<void> {
    for (const victim of this.victims) victim.letGo();
    const status = await Promise.all(this.gateways.map(({ life }) => life.stop(20_000)));
    status.forEach((code, at) => {
      const how = code === 0 ? '' : code === null ? 'did not stop when asked to' : `stopped with status ${code}`;
      expectThat(how === '', `${this.gateways[at]!.name} ${how}`);
    });
    this.#listener?.end(true);
    const code = await this.ledger.life.stop(30_000);
    expectThat(code === 0, `the ledger did not stop in order when asked to: ${code}`);
    await this.sim.stop();
    await this.broker?.life.kill();
    await this.tap.stop();
  }

  /** The last words of each process, for whoever looks for what went wrong. */
  lastWords(): string {
    const words = (name: string, notes: readonly string[]) => `== ${name}\n${notes.join('\n')}\n`;
    const victims = this.victims.map((victim) => {
      try {
        return words(victim.name, victim.life.notes);
      } catch {
        return words(victim.name, ['was not started']);
      }
    });
    return [words('simulator', this.sim.notes), ...victims].join('\n');
  }

  #beginLedger(mosquittoPort: number | undefined) {
    const broker = mosquittoPort === undefined ? ['--mqtt-port', '0'] : ['--mqtt', `mqtt://127.0.0.1:${mosquittoPort}`];
    if (mosquittoPort === undefined) this.tap.brokerPort = undefined;
    const args = ['serve', '--data', this.coOp.data, '--port', '0', '--log-level', 'warn', '--json', ...broker];
    const life = new Program('commonwatt', args);
    const ready = life
      .line('being served', STARTED_WITHIN_MS, ({ url }) => typeof url === 'string')
      .then(({ url, mqtt: mqttUrl }) => {
        this.ledgerUrl = String(url);
        if (mosquittoPort === undefined) this.tap.brokerPort = Number(new URL(String(mqttUrl)).port);
      });
    return { life, ready };
  }

  #beginGateways(boxes: readonly Box[]) {
    const life = new Program('commonwatt-gateway', ['--lines']);
    const begin = async () => {
      for (const { file, data } of boxes) await life.ask('start', { config: file, data });
      if (this.#clock !== undefined) await life.ask('clock', this.#clock);
    };
    return { life, ready: begin() };
  }

  /** A third client, which hears what every box and the ledger publish, as any neighbour could. */
  #listen(): MqttClient {
    const client = mqtt.connect(this.tap.url, { protocolVersion: 4, reconnectPeriod: 100, clientId: 'third' });
    client.on('error', () => undefined);
    client.on('connect', () => {
      const filters = ['frame', 'answer', 'event'].map((leaf) => `cw/1/+/+/${leaf}`);
      client.subscribe([...filters, 'cw/1/+/checkpoint'], { qos: 1 }, () => undefined);
    });
    return client;
  }
}

/** Makes each box's key and enrols it with its meter, all before anything is served. */
async function enrolAll(
  coOp: CoOp,
  homes: readonly SimHome[],
  { folder, mqttUrl }: { folder: TempFolder; mqttUrl: string },
): Promise<readonly Box[]> {
  const maker = watched(new Program('commonwatt-gateway', ['--lines']));
  const boxes: Box[] = [];
  for (const { id: home, devices } of homes) {
    const data = folder.at(`box-${home}`);
    const { public_key: publicKey } = await maker.ask('key', { gateway: home, data });
    const { profile, port, unit } = devices[0]!;
    const meter = ['--meter', `${profile}@127.0.0.1:${port}/${unit}`];
    const settings = [...meter, '--mqtt', mqttUrl, '--poll', `${POLL_S}`];
    const file = await coOp.enrol(home, String(publicKey), settings);
    boxes.push({ home, publicKey: String(publicKey), file, data });
  }
  await maker.stop();
  return boxes;
}
