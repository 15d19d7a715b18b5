import type { FastifyInstance } from 'fastify';
import type { ServiceMetrics } from '../adapters/metrics/service-metrics.js';
import { BrokerClient } from '../adapters/mqtt/broker-client.js';
import { EmbeddedBroker } from '../adapters/mqtt/embedded-broker.js';
import { IngestPump } from '../adapters/mqtt/ingest-pump.js';
import type { MessageBus } from '../adapters/mqtt/message-bus.js';
import type { PumpObserver } from '../adapters/mqtt/pump-observer.js';
import { CommitHealth } from '../adapters/store/commit-health.js';
import { RealClock } from '../adapters/system/clock.js';
import { LedgerError } from '../core/errors.js';
import type { Clock } from '../usecases/ports.js';
import type { DataFolder } from './data-folder.js';
import { KeptHeads } from './kept-heads.js';
import { monotonicMs } from './monotonic.js';
import { type OpenLedger, openLedger } from './open-ledger.js';
import type { ServiceEars } from './service-log.js';
import { VERSION } from './version.js';

/** Longest a stop waits for what is being committed. */
const PUMP_STOP_MS = 3_000;
/** After it a service that may wait for its broker goes on without it. */
const PATIENT_WAIT_MS = 1_000;

export type BrokerChoice =
  | { readonly kind: 'embedded'; readonly port: number; readonly bind: string }
  | { readonly kind: 'external'; readonly url: string; readonly clientId: string; readonly clean: boolean };

export interface ServiceOptions {
  readonly folder: DataFolder;
  readonly clock: Clock;
  readonly broker: BrokerChoice;
  /** Absent: no REST. */
  readonly rest?: { readonly port: number; readonly bind: string };
  readonly settle?: 'tick' | 'by-hand';
  /** True: a broker outside that is not there yet is waited for, for good. */
  readonly patient?: boolean;
  readonly log: ServiceEars;
}

/** Broker, pump and REST around the ledger of one data folder, started in order and stopped in the reverse. */
export class LedgerService {
  readonly open: OpenLedger;
  readonly pump: IngestPump;
  readonly bus: MessageBus & { start(waitMs?: number): Promise<void> };
  readonly #options: ServiceOptions;
  readonly #heads: KeptHeads;
  readonly #commitHealth = new CommitHealth(monotonicMs);
  /** Nobody asks a service without REST for its figures. */
  #metrics: ServiceMetrics | undefined;
  #http: FastifyInstance | undefined;
  #url = '';

  private constructor(options: ServiceOptions) {
    this.#options = options;
    const health = this.#commitHealth;
    this.open = openLedger(options.folder, options.clock, {
      monotonicMs,
      began: () => health.began(),
      committed: (tookMs) => {
        health.committed(tookMs);
        this.#metrics?.committed(tookMs);
      },
      failed: (error) => health.failed(error),
    });
    this.bus = busOf(options);
    const { folder, log } = options;
    this.#heads = new KeptHeads({ folder, open: this.open, trouble: (line) => log.trouble(line) });
    this.pump = new IngestPump({
      ledger: this.open.ledger,
      bus: this.bus,
      clock: options.clock,
      monotonicMs,
      log: (line) => options.log.trouble(line),
      settle: options.settle ?? 'tick',
      observer: observerOf(() => (this.#metrics === undefined ? [options.log] : [options.log, this.#metrics])),
    });
  }

  /** Rejects in one sentence when a port is taken, a broker cannot be reached or the database cannot be opened. */
  static async start(options: ServiceOptions): Promise<LedgerService> {
    const service = new LedgerService(options);
    try {
      await service.#start();
      return service;
    } catch (error) {
      await service.stop();
      throw error;
    }
  }

  /** Where REST answers; empty without. */
  get url(): string {
    return this.#url;
  }

  async stop(): Promise<void> {
    await within(PUMP_STOP_MS, this.pump.stop());
    await this.#heads.stop();
    await this.#http?.close();
    await this.bus.stop();
    await this.open.close();
  }

  async #start(): Promise<void> {
    const { rest, broker, patient = false, log } = this.#options;
    if (rest !== undefined) {
      this.#metrics = await this.#openMetrics();
      await this.#heads.check(broker.kind === 'external' ? broker.url : undefined);
      this.#heads.start();
    }
    // The pump listens before the broker speaks: what a session kept comes at once.
    await this.pump.start();
    if (patient && broker.kind === 'external') {
      await this.bus.start(PATIENT_WAIT_MS).catch((error: unknown) => {
        if (!(error instanceof LedgerError) || error.code !== 'broker') throw error;
        log.trouble(`${error.message}; trying on`);
      });
    } else {
      await this.bus.start();
    }
    if (rest !== undefined) await this.#listen(rest);
  }

  // What only REST needs is loaded only with it: a replay has none.
  async #openMetrics(): Promise<ServiceMetrics> {
    const { ServiceMetrics } = await import('../adapters/metrics/service-metrics.js');
    const { gaugesOf } = await import('../usecases/queries/index.js');
    return new ServiceMetrics({
      gauges: () => gaugesOf({ store: this.open.store, clock: this.#options.clock }),
      heldIntervals: () => this.pump.heldIntervals,
      queuedMessages: () => this.pump.counts.queued,
      unknownMessages: () => this.pump.counts.unknown,
      turnedAway: () => this.pump.counts.turnedAway,
    });
  }

  async #listen({ port, bind }: { port: number; bind: string }): Promise<void> {
    const { folder, clock, log } = this.#options;
    const { createHttpApp } = await import('../adapters/http/app.js');
    this.#http = createHttpApp({
      entries: this.open.entries,
      store: this.open.store,
      hasher: this.open.crypto.hasher,
      clock,
      token: folder.token(),
      bind,
      version: VERSION,
      probes: [
        () => (this.bus.connected ? undefined : 'the MQTT broker is away'),
        () => this.#commitHealth.probe(),
        () => (clock instanceof RealClock ? clock.doubt() : undefined),
      ],
      heldIntervals: () => this.pump.heldIntervals,
      ...(this.#metrics && { metrics: this.#metrics }),
      onAnswer: (answer) => {
        this.#metrics?.answered(answer);
        log.answered(answer);
      },
    });
    try {
      await this.#http.listen({ port, host: bind });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const why = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be had (${message})`;
      throw new LedgerError('config', `port ${port} on ${bind} ${why}: choose another with --port`, { cause });
    }
    const address = this.#http.server.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    this.#url = `http://${reachableHost(bind)}:${actual}`;
  }
}

function busOf({ broker, log: ears }: ServiceOptions): EmbeddedBroker | BrokerClient {
  const log = (line: string) => ears.trouble(line);
  if (broker.kind === 'embedded') return new EmbeddedBroker({ port: broker.port, bind: broker.bind, log });
  const { url, clientId, clean } = broker;
  return new BrokerClient({ url, clientId, clean, log });
}

/** What the pump tells goes to all of them. */
function observerOf(listeners: () => readonly PumpObserver[]): PumpObserver {
  return {
    framesDecided: (decided) => {
      for (const listener of listeners()) listener.framesDecided(decided);
    },
    eventDecided: (decided) => {
      for (const listener of listeners()) listener.eventDecided(decided);
    },
    messageDropped: (dropped) => {
      for (const listener of listeners()) listener.messageDropped(dropped);
    },
  };
}

/** A name under which this machine reaches what is bound to that address. */
function reachableHost(bind: string): string {
  if (bind === '0.0.0.0' || bind === '::') return '127.0.0.1';
  return bind.includes(':') ? `[${bind}]` : bind;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, over]);
  clearTimeout(timer);
}
