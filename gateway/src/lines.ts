import type { Readable, Writable } from 'node:stream';
import { toHex } from '@commonwatt/firmware-protocol';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { openKey } from './adapters/system/key-file.js';
import { SimulatedClock } from './adapters/system/system-clock.js';
import { parseConfig } from './config.js';
import type { Gateway, StepReport } from './core/gateway.js';
import type { GatewayConfig } from './core/gateway-config.js';
import type { LiveView } from './core/live.js';
import { GatewayError, reasonOf } from './errors.js';
import { startGateway } from './host.js';
import { readLines } from './line-reader.js';

/** Real milliseconds between two live lines of one gateway. */
const LIVE_PAUSE_MS = 1000;
/** A parent that does not read gets no live lines; answers are bounded by its requests. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** Requests that may wait for their answers. */
const MAX_OPEN_REQUESTS = 1024;

type Request = Readonly<Record<string, unknown>>;
type Answer = Record<string, unknown>;

/**
 * The line protocol: one JSON object a line on standard input, one answer to each on standard output (ARCHITECTURE, line
 * protocol). Many gateways in one process, on one simulated clock, each with its own key, outbox and connections.
 */
export class LineHost {
  readonly #output: Writable;
  readonly #note: (text: string) => void;
  readonly #clock = new SimulatedClock();
  readonly #gateways = new Map<string, Gateway>();
  readonly #saidLiveAtMs = new Map<string, number>();
  #open = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #onStopped: () => void = () => {};

  constructor(parts: { readonly output: Writable; readonly note: (text: string) => void }) {
    this.#output = parts.output;
    this.#note = parts.note;
  }

  /** Serves until `stop`, the end of the input, or a call of `stop()`. */
  async serve(input: Readable): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    this.#output.on('error', () => void this.stop());
    readLines(input, {
      line: (text) => void this.#answer(text),
      tooLong: () => this.#write({ id: null, failed: 'bad-line', message: 'the line is longer than 1 MiB' }),
      end: () => void this.stop(),
    });
    await stopped;
  }

  /** Stops every gateway in order. Resolves when all are stopped, however often it is called. */
  stop(): Promise<void> {
    this.#stopping ??= Promise.all([...this.#gateways.values()].map((gateway) => gateway.stop())).then(() =>
      this.#onStopped(),
    );
    return this.#stopping;
  }

  async #answer(text: string): Promise<void> {
    if (text.trim() === '') return;
    let id: unknown = null;
    if (this.#open >= MAX_OPEN_REQUESTS) {
      this.#write({ id, failed: 'bad-line', message: `${MAX_OPEN_REQUESTS} requests wait for their answers already` });
      return;
    }
    this.#open++;
    try {
      const request = parseRequest(text);
      id = request.id ?? null;
      const command = textOf(request, 'do');
      this.#write({ id, done: command, ...(await this.#run(command, request)) });
      if (command === 'stop') this.#onStopped();
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : 'bad-line';
      this.#write({ id, failed: code, message: reasonOf(error) });
    } finally {
      this.#open--;
    }
  }

  async #run(command: string, request: Request): Promise<Answer> {
    switch (command) {
      case 'key':
        return { public_key: toHex(openKey(textOf(request, 'data')).signer.publicKey) };
      case 'start':
        return this.#start(parseConfig(request.config), textOf(request, 'data'));
      case 'clock':
        return this.#setClock(request);
      case 'now':
        return this.#inTurn(() => this.#step(numberOf(request, 't_ms')));
      case 'stats':
        return { gateways: [...this.#gateways.values()].map((gateway) => gateway.stats()) };
      case 'stop': {
        await this.#stopGateways();
        return {};
      }
      default:
        throw unknownCommand(command);
    }
  }

  #start(config: GatewayConfig, data: string): Answer {
    const name = config.gateway;
    if (this.#stopping !== undefined) throw new GatewayError('stopped', 'this process is stopping');
    if (this.#gateways.has(name)) throw new GatewayError('bad-line', `gateway ${name} is started already`);
    const gateway = startGateway({
      config,
      data,
      clock: this.#clock,
      observer: {
        onLive: (live) => this.#sayLive(name, live),
        onNote: (text) => this.#note(`${name}: ${text}`),
      },
    });
    this.#gateways.set(name, gateway);
    return { gateway: name };
  }

  #setClock(request: Request): Answer {
    const startNs = textOf(request, 'start_ns');
    if (!/^\d{1,20}$/.test(startNs)) throw new GatewayError('bad-line', 'start_ns: expected decimal digits as a text');
    const speed = numberOf(request, 'speed');
    if (speed <= 0) throw new GatewayError('bad-line', `speed: expected above 0, got ${speed}`);
    this.#clock.run({ baseMs: numberOf(request, 'base_ms'), startNs: BigInt(startNs), speed });
    for (const gateway of this.#gateways.values()) gateway.clockChanged();
    return { t_ms: Math.floor(this.#clock.now().utcMs) };
  }

  async #step(utcMs: number): Promise<Answer> {
    this.#clock.stand(utcMs);
    // What the peers did before this step was told is seen first: a meter that hung up is not asked.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const reports = await Promise.all([...this.#gateways.values()].map((gateway) => gateway.step()));
    const total = (key: keyof StepReport) => reports.reduce((sum, report) => sum + report[key], 0);
    return {
      t_ms: utcMs,
      sealed: total('sealed'),
      receipts: total('receipts'),
      pending: total('pending'),
      refused: total('refused'),
    };
  }

  async #stopGateways(): Promise<void> {
    this.#stopping ??= Promise.all([...this.#gateways.values()].map((gateway) => gateway.stop())).then(() => {});
    await this.#stopping;
  }

  /** Steps one after the other: the clock stands at one instant. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    // Whoever asked for it hears of its failure; the next step goes on all the same.
    this.#turn = result.catch(() => {});
    return result;
  }

  #sayLive(gateway: string, live: LiveView): void {
    const nowMs = performance.now();
    if (nowMs - (this.#saidLiveAtMs.get(gateway) ?? Number.NEGATIVE_INFINITY) < LIVE_PAUSE_MS) return;
    if (this.#output.writableLength > MAX_UNREAD_BYTES) return;
    this.#saidLiveAtMs.set(gateway, nowMs);
    const received = this.#gateways.get(gateway)?.view().status.lastReceiptS ?? null;
    this.#write({
      event: 'live',
      gateway,
      at_ms: live.atMs,
      sun_w: live.generationW ?? 0,
      use_w: live.useW,
      import_w: live.importW ?? 0,
      export_w: live.exportW ?? 0,
      last_receipt_s: received,
    });
  }

  #write(answer: Answer): void {
    this.#output.write(`${JSON.stringify(answer)}\n`);
  }
}

const COMMANDS = ['key', 'start', 'clock', 'now', 'stats', 'stop'] as const;

function unknownCommand(command: string): GatewayError {
  const nearest = nearestName(command, COMMANDS);
  const hint = nearest === undefined ? `expected one of ${COMMANDS.join(', ')}` : `did you mean ${nearest}?`;
  return new GatewayError('unknown-command', `there is no command ${JSON.stringify(command.slice(0, 64))}: ${hint}`);
}

function parseRequest(text: string): Request {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Request;
  throw new GatewayError('bad-line', 'expected a JSON object');
}

function textOf(request: Request, key: string): string {
  const value = request[key];
  if (typeof value === 'string' && value.length > 0 && value.length <= 4096) return value;
  throw new GatewayError('bad-line', `${key}: expected a text, got ${JSON.stringify(value)?.slice(0, 80)}`);
}

function numberOf(request: Request, key: string): number {
  const value = request[key];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new GatewayError('bad-line', `${key}: expected a number from 0, got ${JSON.stringify(value)?.slice(0, 80)}`);
}
