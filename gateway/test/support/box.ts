import { Quantity, toHex } from '@commonwatt/firmware-protocol';
import { findProfile } from '@commonwatt/firmware-protocol/registers';
import { MemoryDisk, openMemoryOutbox } from '../../src/adapters/memory-outbox.js';
import { nodeVerifier } from '../../src/adapters/system/node-crypto.js';
import { Gateway, type StepReport } from '../../src/core/gateway.js';
import type { GatewayConfig, MeterConfig } from '../../src/core/gateway-config.js';
import type { LiveView } from '../../src/core/live.js';
import type { Outbox } from '../../src/core/outbox.js';
import { FakeLedger, hasher, newSigner } from './fake-ledger.js';
import { FakeBroker, FakeMeter, ManualClock, ManualTimers, settle } from './fakes.js';

/** A quarter-hour edge. */
export const EDGE_MS = Date.UTC(2026, 5, 21, 10, 0, 0);

export function meterConfig(index: number, change: Partial<MeterConfig> = {}): MeterConfig {
  const profile = findProfile('reference');
  const quantities = [Quantity.gridImport, Quantity.gridExport, Quantity.generation];
  return {
    index,
    id: `meter-${index}`,
    profile,
    host: '127.0.0.1',
    port: 1502 + index,
    unit: 1,
    generation: 1,
    channels: quantities.map((quantity) => ({ quantity, exponent: -3, widthBits: 64, limitW: 0 })),
    ...change,
  };
}

/** A box with fakes on every side. `restart` is what a power cut and a new start are. */
export class TestBox {
  readonly ledger: FakeLedger;
  readonly signer = newSigner();
  readonly meters: FakeMeter[];
  readonly config: GatewayConfig;
  readonly timers = new ManualTimers();
  readonly clock = new ManualClock(EDGE_MS);
  readonly notes: string[] = [];
  readonly lives: LiveView[] = [];
  disk = new MemoryDisk();
  hadOutbox = false;
  broker: FakeBroker;
  gateway: Gateway;
  outbox: Outbox;

  constructor(
    options: { ledger?: FakeLedger; isEnrolled?: boolean; config?: Partial<GatewayConfig>; meters?: number } = {},
  ) {
    this.ledger = options.ledger ?? new FakeLedger();
    const firstPrevious = options.isEnrolled === false ? new Uint8Array(32) : this.ledger.enrol(this.signer.publicKey);
    const count = options.meters ?? 1;
    this.meters = Array.from({ length: count }, () => new FakeMeter());
    this.config = {
      community: 'street',
      origin: this.ledger.origin,
      gateway: 'gw-1',
      member: 'member-1',
      mqtt: 'mqtt://127.0.0.1:1883',
      logKey: this.ledger.logSigner.publicKey,
      answerKey: this.ledger.answerSigner.publicKey,
      firstPrevious,
      intervalS: 900,
      pollS: 0,
      meters: Array.from({ length: count }, (_, index) => meterConfig(index)),
      clock: { source: 2, errorMs: 20 },
      outboxLimit: 100_000,
      ...options.config,
    };
    ({ broker: this.broker, gateway: this.gateway, outbox: this.outbox } = this.#build());
  }

  /** Starts and connects. */
  async start(): Promise<this> {
    this.gateway.start();
    this.broker.connect();
    await settle();
    return this;
  }

  /** The process is gone without a word; a new one starts on the same disk, or on an older image of it. */
  async restart(disk: MemoryDisk = this.disk, options: { connect?: boolean } = {}): Promise<void> {
    this.disk = disk;
    disk.open = false;
    this.timers.clear();
    const parts = this.#build();
    this.broker = parts.broker;
    this.gateway = parts.gateway;
    this.outbox = parts.outbox;
    if (options.connect === false) this.gateway.start();
    else await this.start();
  }

  /** The instant moves to `utcMs`, the meter shows those values, and the box makes a step. */
  async step(utcMs: number, ...values: FakeMeter['values'][]): Promise<StepReport> {
    this.clock.uptimeMs += Math.max(0, utcMs - this.clock.utcMs);
    this.clock.utcMs = utcMs;
    for (const [at, value] of values.entries()) this.meters[at]!.values = value;
    return this.gateway.step();
  }

  /** A step that gets no answer: its time runs out. */
  async lonelyStep(utcMs: number, ...values: FakeMeter['values'][]): Promise<StepReport> {
    const report = this.step(utcMs, ...values);
    await settle();
    await this.timers.advance(60_001);
    return report;
  }

  get stats(): Record<string, unknown> {
    return this.gateway.stats();
  }

  get condition(): string {
    return this.gateway.view().condition.name;
  }

  #build(): { broker: FakeBroker; gateway: Gateway; outbox: Outbox } {
    const broker = new FakeBroker(this.ledger, 'cw/1/street/gw-1');
    const outbox = openMemoryOutbox(this.disk);
    const gateway = new Gateway({
      config: this.config,
      software: 'test',
      outbox,
      hadOutbox: this.hadOutbox,
      broker,
      linkOf: ({ index }) => this.meters[index]!,
      clock: this.clock,
      timers: this.timers,
      signer: this.signer,
      hasher,
      verifier: nodeVerifier,
      random: () => 0.5,
      observer: { onNote: (text) => this.notes.push(text), onLive: (live) => this.lives.push(live) },
    });
    return { broker, gateway, outbox };
  }
}

/** A copy of a disk, as an image of an SD card is one. */
export function imageOf(disk: MemoryDisk): MemoryDisk {
  const image = new MemoryDisk();
  image.state = disk.state;
  image.samples = new Map(disk.samples);
  image.outgoing = new Map(disk.outgoing);
  image.passed = new Map(disk.passed);
  image.nextId = disk.nextId;
  return image;
}

export { toHex };
