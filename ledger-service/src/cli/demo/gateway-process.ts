import { LedgerError } from '../../core/errors.js';
import type { GatewayFile } from '../community-setup.js';
import { LineChild, type LineObject, textIn } from '../line-child.js';

const FIRST_RESTART_MS = 500;
const LAST_RESTART_MS = 30_000;
/** A process that held out so long begins its back-off anew. */
const STEADY_MS = 60_000;
const START_TIMEOUT_MS = 30_000;

/** Time as all processes of the street are told it. */
export interface SharedTime {
  readonly baseMs: number;
  readonly startNs: bigint;
  readonly speed: number;
}

/** What a home's box says of itself. */
export interface BoxView {
  readonly sunW: number | undefined;
  readonly useW: number | undefined;
  readonly lastReceiptS: number | undefined;
  readonly state: 'starting' | 'running' | 'restarting' | 'stopped';
}

export interface GatewayProcessOptions {
  readonly home: string;
  readonly data: string;
  readonly time: SharedTime;
  readonly monotonicMs: () => number;
  readonly note: (line: string) => void;
}

/** One home's gateway in a process of its own. When it ends by itself it is started again, each time a little later. */
export class GatewayProcess {
  readonly #options: GatewayProcessOptions;
  #child: LineChild | undefined;
  #config: GatewayFile | undefined;
  #view: BoxView = { sunW: undefined, useW: undefined, lastReceiptS: undefined, state: 'starting' };
  #restartMs = FIRST_RESTART_MS;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: GatewayProcessOptions) {
    this.#options = options;
  }

  get home(): string {
    return this.#options.home;
  }

  get view(): BoxView {
    return this.#view;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and asks for its public key, hex. */
  async publicKey(): Promise<string> {
    const { home, data } = this.#options;
    const answer = await this.#spawn().request('key', { gateway: home, data }, START_TIMEOUT_MS);
    return textIn(answer, 'public_key');
  }

  /** Sets the box to work. */
  async run(config: GatewayFile): Promise<void> {
    this.#config = config;
    await this.#begin();
  }

  /** Kills at once: the last resort at the end of a stop. */
  kill(): void {
    this.#child?.kill();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    await this.#child?.stop();
    this.#view = { ...this.#view, state: 'stopped' };
  }

  #spawn(): LineChild {
    if (this.#child !== undefined && !this.#child.hasExited) return this.#child;
    const { home, monotonicMs } = this.#options;
    if (this.#isStopping) throw new LedgerError('child', `gateway ${home} is being stopped`);
    const startedMs = monotonicMs();
    const child = new LineChild({
      program: 'commonwatt-gateway',
      name: `gateway ${home}`,
      onEvent: (event) => this.#hear(event),
    });
    this.#child = child;
    void child.exited.then(() => {
      if (this.#isStopping || child.isStopping || this.#child !== child) return;
      if (monotonicMs() - startedMs > STEADY_MS) this.#restartMs = FIRST_RESTART_MS;
      this.#restartLater(child.lastWords.at(-1) ?? 'without a word');
    });
    return child;
  }

  async #begin(): Promise<void> {
    const { data, time } = this.#options;
    const child = this.#spawn();
    await child.request('start', { config: this.#config, data }, START_TIMEOUT_MS);
    await child.request('clock', {
      base_ms: time.baseMs,
      start_ns: `${time.startNs}`,
      speed: time.speed,
    });
    this.#view = { ...this.#view, state: 'running' };
  }

  #restartLater(why: string): void {
    const { home, note } = this.#options;
    this.#view = { ...this.#view, state: 'restarting' };
    note(`gateway ${home} ended (${why}); again in ${this.#restartMs / 1_000} s`);
    this.#timer = setTimeout(() => {
      if (this.#isStopping || this.#config === undefined) return;
      this.#begin().then(
        () => note(`gateway ${home} runs again`),
        (error: unknown) => note(error instanceof Error ? error.message : String(error)),
      );
    }, this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, LAST_RESTART_MS);
  }

  #hear(event: LineObject): void {
    if (event.event !== 'live') return;
    this.#view = {
      ...this.#view,
      sunW: numberOrNothing(event.sun_w),
      useW: numberOrNothing(event.use_w),
      lastReceiptS: numberOrNothing(event.last_receipt_s) ?? this.#view.lastReceiptS,
    };
  }
}

function numberOrNothing(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
