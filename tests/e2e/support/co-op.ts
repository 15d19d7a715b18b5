import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonLine, Program, run } from './program.js';

const STARTED_WITHIN_MS = 20_000;

/** What `enrol` wrote for a gateway, as far as a test needs it by name. */
export interface GatewayFile {
  readonly community: string;
  readonly origin: string;
  readonly gateway: string;
  readonly log_key: string;
  readonly answer_key: string;
  readonly first_previous: string;
  readonly meters: readonly {
    readonly id: string;
    readonly profile: string;
    readonly channels: readonly { readonly quantity: number; readonly exponent: number }[];
  }[];
}

export interface BeginOptions {
  /** UTC seconds, on the grid of the interval. */
  readonly firstIntervalS: number;
  readonly settings?: readonly string[];
}

/** A community made with the commands that a co-op's operator uses, in a data folder of its own. */
export class CoOp {
  readonly community = 'sunny';
  readonly origin = 'ledger.example/sunny';
  readonly data: string;
  readonly logKey: string;

  private constructor(data: string, logKey: string) {
    this.data = data;
    this.logKey = logKey;
  }

  static async begin(data: string, { firstIntervalS, settings = [] }: BeginOptions): Promise<CoOp> {
    const begun = await run('commonwatt', [
      ...['init', '--data', data, '--community', 'sunny', '--host', 'ledger.example', '--json'],
      ...['--first-interval', isoSeconds(firstIntervalS), ...settings],
    ]);
    return new CoOp(data, String(begun.log_key));
  }

  /** The same community after its folder was copied. */
  at(data: string): CoOp {
    if (!existsSync(join(data, 'ledger.db'))) throw new Error(`no ledger in ${data}`);
    return new CoOp(data, this.logKey);
  }

  /** Enrols a home by the public key that its box printed. */
  async enrol(home: string, publicKey: string, settings: readonly string[] = []): Promise<GatewayFile> {
    const keyFile = join(this.data, `${home}.box.key`);
    writeFileSync(keyFile, `${publicKey}\n`);
    const enrolled = await run('commonwatt', [
      ...['enrol', '--data', this.data, '--home', home, '--key', keyFile, '--json'],
      // Counters of a test's own making leap as they like.
      ...(settings.length === 0 ? ['--meter', 'reference', '--limit', '0'] : settings),
    ]);
    return JSON.parse(readFileSync(String(enrolled.config), 'utf8')) as GatewayFile;
  }

  /** With the embedded broker on this port, or on any free one. */
  serve(mqttPort = 0): Promise<ServedLedger> {
    return ServedLedger.start(this, ['--mqtt-port', String(mqttPort)]);
  }

  /** At a broker outside. */
  serveAt(brokerUrl: string): Promise<ServedLedger> {
    return ServedLedger.start(this, ['--mqtt', brokerUrl]);
  }

  async balances(): Promise<readonly MemberBalance[]> {
    const { balances, totals } = await run('commonwatt', ['balances', '--data', this.data, '--json']);
    const { credits, energy_kwh: energy } = totals as { credits: string; energy_kwh: string };
    if (credits !== '0.000000' || energy !== '0.000000') throw new Error(`balances sum to ${credits}, ${energy} kWh`);
    return balances as MemberBalance[];
  }

  /** Drops every projection and folds the log anew; throws unless all is what it was. */
  async rebuild(): Promise<JsonLine> {
    return run('commonwatt', ['rebuild', '--data', this.data, '--json']);
  }
}

export interface MemberBalance {
  readonly member: string;
  readonly credits: string;
  readonly energy_kwh: string;
}

/** A settlement as REST shows it on the ledger's own machine. */
export interface Settlement {
  readonly start: string;
  readonly version: number;
  readonly totals: { readonly shared_kwh: string };
  readonly lines: readonly {
    readonly member: string;
    readonly meter?: string;
    readonly need_kwh: string;
    readonly offer_kwh: string;
    readonly received_kwh: string;
    readonly delivered_kwh: string;
    readonly credits: string;
    readonly quality: string;
  }[];
}

interface EntryPage {
  readonly items: readonly { readonly kind_name: string }[];
  readonly next?: string;
}

/** `commonwatt serve` as a process. */
export class ServedLedger {
  readonly program: Program;
  readonly url: string;
  readonly mqttUrl: string;
  readonly #community: string;

  private constructor(program: Program, started: JsonLine, community: string) {
    this.program = program;
    this.url = String(started.url);
    this.mqttUrl = String(started.mqtt);
    this.#community = community;
  }

  static async start(coOp: CoOp, broker: readonly string[]): Promise<ServedLedger> {
    const program = new Program('commonwatt', [...['serve', '--data', coOp.data, '--port', '0', ...broker, '--json']]);
    const started = await program.line('being served', STARTED_WITHIN_MS, ({ url }) => typeof url === 'string');
    return new ServedLedger(program, started, coOp.community);
  }

  get mqttPort(): number {
    return Number(new URL(this.mqttUrl).port);
  }

  get httpPort(): number {
    return Number(new URL(this.url).port);
  }

  async health(): Promise<number> {
    const response = await fetch(`${this.url}/health`);
    await response.body?.cancel();
    return response.status;
  }

  /** What REST says about the community; throws unless it is 200. */
  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/v1/communities/${this.#community}${path}`);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** How many entries of each kind the log has, by their names. */
  async entryCounts(): Promise<Readonly<Record<string, number>>> {
    const counts: Record<string, number> = {};
    for (let from: string | undefined = '0'; from !== undefined; ) {
      const page: EntryPage = await this.get(`/log/entries?from=${from}&limit=256`);
      for (const { kind_name: kind } of page.items) counts[kind] = (counts[kind] ?? 0) + 1;
      from = page.next;
    }
    return counts;
  }

  /** The newest settlement of an interval, or undefined where nothing is settled. */
  async settlement(startS: number): Promise<Settlement | undefined> {
    const path = `/v1/communities/${this.#community}/settlements/${isoSeconds(startS)}`;
    const response = await fetch(`${this.url}${path}`);
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Settlement;
  }
}

/** YYYY-MM-DDTHH:MM:SSZ */
export function isoSeconds(timeS: number): string {
  return `${new Date(timeS * 1_000).toISOString().slice(0, 19)}Z`;
}
