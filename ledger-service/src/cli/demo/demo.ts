/** `commonwatt demo`: a whole street on this machine, a gateway process per home, on a clock that may run faster. */
import type { LogLevel } from '../../adapters/log/levels.js';
import { RealClock } from '../../adapters/system/clock.js';
import { LedgerError } from '../../core/errors.js';
import type { Genesis } from '../../core/records/index.js';
import { describeCommunity } from '../../usecases/queries/index.js';
import type { CommunityPlan } from '../community-setup.js';
import { type CommandContext, EXIT } from '../context.js';
import { initCommunity } from '../init.js';
import { MISSING_POLICIES, type MissingPolicy } from '../option-values.js';
import type { OutStream } from '../output.js';
import { stopped } from '../serve.js';
import { LedgerService } from '../service.js';
import { type FileLog, fileLog } from '../service-log.js';
import { KeptClock } from './clock-file.js';
import { DemoFolder } from './demo-folder.js';
import { Screen } from './screen.js';
import { Street } from './street.js';
import { renderTable, type TableView } from './table.js';
import { DayTotals, type MemberTotals } from './totals.js';

export interface DemoOptions {
  readonly data: string;
  /** Absent: as many as at the last start, at first 10. */
  readonly homes?: number;
  readonly speed: number;
  readonly port: number;
  readonly bind: string;
  readonly mqttPort: number;
  readonly logLevel: LogLevel;
  /** Absent: that of the street that is there, else the demo's own. */
  readonly missing?: MissingPolicy;
  readonly fresh?: boolean;
}

const COMMUNITY = 'sunny-street';
const HOST = 'demo.invalid';
const COMMONS = 'commons-fund';
/** All of the built-in street: with and without sun, a battery, a shop, a hall. */
const DEFAULT_HOMES = 10;
/** A gateway that died and came back shows how its energy is spread over the outage. */
const DEFAULT_MISSING = 'estimate';
const INTERVAL_S = 900;
/** After a sudden end the clock goes on a little later than it stopped: edges over that gap are still interpolated. */
const MAX_SPAN_S = 3_600;
/** An orderly stop is over by then; what is not is ended. */
const STOP_DEADLINE_MS = 4_500;
const LOOK_EVERY_MS = 1_000;
const MAX_NOTES = 2;

export async function runDemo(options: DemoOptions, context: CommandContext): Promise<number> {
  const folder = new DemoFolder(options.data);
  folder.checkNotServed();
  if (options.fresh === true) folder.clear();
  const isNew = !folder.hasStreet();
  const homes = options.homes ?? (isNew ? DEFAULT_HOMES : folder.homes());
  folder.remember(homes);
  const time = new KeptClock(folder.clockFile, { firstMs: firstInstantMs(options.speed), speed: options.speed });
  const demo = new Demo({ options, context, folder, time, homes });
  try {
    await demo.start();
    await demo.show();
  } finally {
    await demo.stop();
  }
  return EXIT.done;
}

/** In real time: now. Faster: an early summer's morning that has been, so that the sun soon rises over the table. */
function firstInstantMs(speed: number): number {
  const nowMs = new RealClock().nowMs();
  if (speed === 1) return nowMs;
  const thisYear = Date.UTC(new Date(nowMs).getUTCFullYear(), 5, 1, 4);
  return thisYear <= nowMs ? thisYear : Date.UTC(new Date(nowMs).getUTCFullYear() - 1, 5, 1, 4);
}

interface DemoParts {
  readonly options: DemoOptions;
  readonly context: CommandContext;
  readonly folder: DemoFolder;
  readonly time: KeptClock;
  readonly homes: number;
}

class Demo {
  readonly #parts: DemoParts;
  readonly #notes: string[] = [];
  /** In a file: lines would tear the table. */
  readonly #log: FileLog;
  #service: LedgerService | undefined;
  #street: Street | undefined;
  #screen: Screen | undefined;

  constructor(parts: DemoParts) {
    this.#parts = parts;
    this.#log = fileLog(parts.folder, parts.options.logLevel);
  }

  /** Ledger, broker and REST, then the meters, then the boxes. */
  async start(): Promise<void> {
    const { options, context, folder, time, homes } = this.#parts;
    const { clock } = time;
    if (!folder.hasKeys(COMMUNITY)) await initCommunity(folder, planOf(clock.nowMs(), options.missing), clock);
    context.output.note(`starting ${homes} homes in ${folder.path}`);
    this.#service = await LedgerService.start({
      folder,
      clock,
      broker: { kind: 'embedded', port: options.mqttPort, bind: '127.0.0.1' },
      rest: { port: options.port, bind: options.bind },
      log: this.#log.log,
    });
    folder.writeServeFile({ url: this.#service.url, mqtt: this.#service.bus.url, pid: process.pid });
    time.start((error) => this.#note(error instanceof Error ? error.message : String(error)));
    const genesis = await this.#genesis();
    checkPolicy(genesis, options.missing);
    this.#street = new Street({
      ...{ folder, homes, service: this.#service, community: COMMUNITY, genesis },
      time: clock.time,
      note: (line) => this.#note(line),
    });
    // Ten processes take seconds to start; whoever wants to stop meanwhile does not wait for them.
    const starting = this.#street.start();
    starting.catch(() => undefined);
    await Promise.race([starting, stopped(context.stop)]);
  }

  /** The table, until it is time to stop. */
  async show(): Promise<void> {
    const { context } = this.#parts;
    if (context.stop.aborted) return;
    const service = this.#service as LedgerService;
    const { url } = service;
    if (context.output.json) context.output.result(this.#describe(service), '');
    const totals = new DayTotals(service.open.store, COMMUNITY);
    let members: ReadonlyMap<string, MemberTotals> = new Map();
    const screen = new Screen(this.#stream, (size) => renderTable(this.#view(url, members, totals.size), size));
    this.#screen = screen;
    const look = async () => {
      members = await totals.look(this.#parts.time.clock.nowMs()).catch(() => members);
    };
    await look();
    screen.start();
    let looking: Promise<void> | undefined;
    const timer = setInterval(() => {
      looking ??= look().finally(() => {
        looking = undefined;
      });
    }, LOOK_EVERY_MS);
    await stopped(context.stop);
    clearInterval(timer);
    await looking;
  }

  /** Gateways, simulator, ledger's intake, REST, broker, store; and the clock last, so that it never goes back. */
  async stop(): Promise<void> {
    const { folder, time, context } = this.#parts;
    this.#screen?.stop();
    context.output.note('stopping');
    const deadline = setTimeout(() => {
      this.#street?.kill();
      context.output.note('not everything stopped in time; ended');
      time.stop();
      process.exit(EXIT.failed);
    }, STOP_DEADLINE_MS);
    await this.#street?.stop();
    await this.#service?.stop();
    this.#log.close();
    time.stop();
    if (this.#service !== undefined) folder.removeServeFile();
    clearTimeout(deadline);
  }

  get #stream(): OutStream {
    const { output } = this.#parts.context;
    return output.json ? output.err : output.out;
  }

  async #genesis(): Promise<Genesis> {
    const service = this.#service;
    if (service === undefined) throw new LedgerError('invariant', 'the ledger is not running');
    return (await describeCommunity(service.open.store, COMMUNITY)).genesis;
  }

  #describe({ url, bus }: LedgerService): object {
    const { folder, homes } = this.#parts;
    return {
      url,
      docs: `${url}/docs`,
      mqtt: bus.url,
      community: COMMUNITY,
      homes,
      data: folder.path,
      pid: process.pid,
    };
  }

  #view(url: string, members: ReadonlyMap<string, MemberTotals>, logSize: number): TableView {
    const { time, options } = this.#parts;
    const street = this.#street as Street;
    return {
      title: COMMUNITY,
      nowMs: time.clock.nowMs(),
      speed: options.speed,
      logSize,
      commonsMicro: members.get(COMMONS)?.amountMicro ?? 0n,
      rows: street.boxes.map(({ home, view }) => {
        const { receivedMwh = 0, deliveredMwh = 0, amountMicro = 0n } = members.get(home) ?? {};
        const trouble = view.state === 'running' ? {} : { trouble: view.state };
        return { home, ...view, receivedMwh, deliveredMwh, amountMicro, ...trouble };
      }),
      footer: [`REST ${url}   docs ${url}/docs   Ctrl-C stops`, ...this.#notes],
    };
  }

  /** On a terminal under the table, which would be torn otherwise; elsewhere at once. */
  #note(line: string): void {
    if (this.#screen?.isTerminal !== true) {
      this.#parts.context.output.note(line);
      return;
    }
    this.#notes.push(line);
    if (this.#notes.length > MAX_NOTES) this.#notes.shift();
  }
}

/** Throws 'conflict' for another policy than the one that the street began with. */
function checkPolicy({ settings }: Genesis, asked: MissingPolicy | undefined): void {
  if (asked === undefined || MISSING_POLICIES[asked] === settings.outagePolicy) return;
  throw new LedgerError(
    'conflict',
    `this street began with another --missing than ${asked}: begin a new one with --fresh`,
  );
}

function planOf(nowMs: number, missing: MissingPolicy = DEFAULT_MISSING): CommunityPlan {
  return {
    community: COMMUNITY,
    host: HOST,
    currency: 'credits',
    intervalS: INTERVAL_S,
    timeZone: 'Europe/Brussels',
    settings: {
      settleAfterS: INTERVAL_S,
      graceS: 172_800,
      maxSpanS: MAX_SPAN_S,
      outagePolicy: MISSING_POLICIES[missing],
      kAnonymity: 5,
      commonsMember: COMMONS,
    },
    rules: { netting: 2, consumerRule: 1, producerRule: 1, priceMicroPerKwh: 120_000, levyBasisPoints: 200 },
    firstIntervalS: Math.ceil(nowMs / 1_000 / INTERVAL_S) * INTERVAL_S,
  };
}
