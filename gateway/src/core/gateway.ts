import {
  EpochReason,
  formatStatus,
  type GatewayTopics,
  type Hasher,
  keyId,
  type Signer,
  toHex,
  topics,
  type Verifier,
} from '@commonwatt/firmware-protocol';
import { reasonOf } from '../errors.js';
import { Alarms } from './alarms.js';
import { Announcer, type GatewayObserver } from './announcer.js';
import type { BrokerLink } from './broker-link.js';
import type { Clock, Timers } from './clock.js';
import { Dialogue } from './dialogue.js';
import type { GatewayConfig, MeterConfig } from './gateway-config.js';
import { Journal } from './journal.js';
import { LiveMeter, type LiveView } from './live.js';
import { Measure } from './measure.js';
import type { MeterLink } from './meter-link.js';
import type { Outbox } from './outbox.js';
import { checkOwner, freshState } from './owner.js';
import { Petitions } from './petitions.js';
import { MeterPoller } from './poll.js';
import { Rounds } from './rounds.js';
import { Sealer } from './sealer.js';
import { CONDITION_NAMES, type Condition, MeterBoard, type StatusView } from './status.js';

/** A step of a replay waits so long, in real time, for the answers to its frames. */
const STEP_DEADLINE_MS = 60_000;
export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly software: string;
  readonly outbox: Outbox;
  /** This data folder had an outbox once: if there is no state now, it was lost. */
  readonly hadOutbox: boolean;
  readonly broker: BrokerLink;
  /** The connection to a meter; meters behind one address share one. */
  readonly linkOf: (meter: MeterConfig) => MeterLink;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly signer: Signer;
  readonly hasher: Hasher;
  readonly verifier: Verifier;
  readonly random: () => number;
  readonly observer: GatewayObserver;
}

export interface StepReport {
  readonly sealed: number;
  readonly receipts: number;
  readonly pending: number;
  readonly refused: number;
}

/** One box: its meters on one side, its ledger on the other. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #topics: GatewayTopics;
  readonly #kid: Uint8Array;
  readonly #links: readonly MeterLink[];
  readonly #journal: Journal;
  readonly #dialogue: Dialogue;
  readonly #measure: Measure;
  readonly #board: MeterBoard;
  readonly #live: LiveMeter;
  readonly #rounds: Rounds;
  readonly #alarms: Alarms;
  readonly #announcer: Announcer;
  /** Numbers were used that nobody here remembers: only a new epoch is safe. */
  readonly #isLost: boolean;
  #turn: Promise<void> = Promise.resolve();
  #sealed = 0;
  #power: LiveView | undefined;
  #isConnected = false;
  #lostReason = 'not connected yet';
  #sinceS = 0;
  #failure: string | undefined;
  #waiter: (() => void) | undefined;
  #isStopped = false;

  /** Throws `outbox-foreign` if the outbox belongs to another key or community. */
  constructor(parts: GatewayParts) {
    const { config, outbox, signer, hasher, clock, timers } = parts;
    this.#parts = parts;
    this.#topics = topics(config.community, config.gateway);
    this.#kid = keyId(hasher, signer.publicKey);
    this.#isLost = parts.hadOutbox && outbox.state() === undefined;
    this.#journal = new Journal(
      { outbox, signer, hasher, kid: this.#kid, origin: config.origin },
      freshState(config, this.#kid),
    );
    checkOwner(this.#journal.state, config, this.#kid);
    this.#alarms = new Alarms(timers, (error) => this.#fail(error));
    this.#announcer = new Announcer({ ...parts, topics: this.#topics, alarms: this.#alarms, view: () => this.view() });
    this.#board = new MeterBoard(config.meters);
    this.#live = new LiveMeter(config.meters);
    const pollers = config.meters.map((meter) => new MeterPoller({ meter, link: parts.linkOf(meter), clock, timers }));
    this.#links = [...new Set(config.meters.map((meter) => parts.linkOf(meter)))];
    const sealer = new Sealer(this.#journal, () => ({
      boot: this.#journal.state.boot,
      uptimeMs: clock.now().uptimeMs,
    }));
    const petitions = new Petitions(this.#journal, this.#kid);
    this.#dialogue = new Dialogue({
      ...parts,
      ...config,
      topics: this.#topics,
      journal: this.#journal,
      sealer,
      petitions,
      onProgress: () => this.#onProgress(),
      onFailure: (error) => this.#fail(error),
      onNote: (text) => this.#announcer.note(text),
    });
    this.#measure = new Measure({
      config,
      pollers,
      clock,
      journal: this.#journal,
      sealer,
      petitions,
      dialogue: this.#dialogue,
      board: this.#board,
    });
    this.#rounds = new Rounds({ clock, timers, grid: config, run: (due) => this.#enqueue(() => this.#round(due)) });
  }

  get publicKey(): Uint8Array {
    return this.#parts.signer.publicKey;
  }

  /** Counts the start, takes up the dialogue, connects, and begins to poll. */
  start(): void {
    const { config, broker } = this.#parts;
    const { state } = this.#journal;
    const isUntouched = state.epoch === 1 && state.next === 1;
    this.#journal.commit({
      state: {
        boot: state.boot + 1,
        ...(isUntouched && { opening: config.firstPrevious }),
        ...(this.#isLost && { asking: { reason: EpochReason.lostState, oldEpoch: state.epoch } }),
      },
    });
    this.#dialogue.start();
    broker.start({
      onReady: () => this.#onReady(),
      onLost: (reason) => this.#onLost(reason),
      onMessage: (topic, payload) => {
        if (topic === this.#topics.answer) this.#dialogue.hear(payload);
      },
    });
    this.#rounds.start();
    this.#announcer.start();
  }

  /** The clock has been set or started anew. */
  clockChanged(): void {
    this.#rounds.restart();
  }

  /**
   * One step of a replay: every meter once, as at an edge, then the answers to everything that waits. Comes back earlier
   * when the ledger says that waiting does not help.
   */
  async step(): Promise<StepReport> {
    const before = { sealed: this.#sealed, ...this.#dialogue.counts };
    await this.#enqueue(() => this.#round({ isEdge: true }));
    await this.#untilSettled();
    return {
      sealed: this.#sealed - before.sealed,
      receipts: this.#dialogue.counts.receipts - before.receipts,
      pending: this.#pending,
      refused: this.#dialogue.counts.refused - before.refused,
    };
  }

  /** Ends everything in order; what was read stays. Resolves within the bound of the broker's link. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#rounds.stop();
    this.#alarms.stop();
    this.#waiter?.();
    for (const link of this.#links) link.close();
    await this.#turn;
    try {
      this.#dialogue.stop();
    } catch (error) {
      this.#fail(error);
    }
    const payload = formatStatus({ state: 'offline', gateway: this.#parts.config.gateway });
    await this.#parts.broker.stop({ topic: this.#topics.status, payload, qos: 1, retain: true });
    this.#journal.close();
  }

  /** Figures since the start of the process, but for what the outbox remembers. */
  stats(): Record<string, unknown> {
    const { state } = this.#journal;
    const { receipts, duplicates, refused, ignored } = this.#dialogue.counts;
    return {
      gateway: this.#parts.config.gateway,
      modbus_requests: this.#links.reduce((sum, { requests }) => sum + requests, 0),
      frames_published: this.#parts.broker.framesPublished,
      frames_sealed: this.#sealed,
      receipts,
      duplicates,
      refused,
      ignored,
      pending: this.#pending,
      readings: this.#measure.readings,
      lost_readings: state.lostReadings,
      last_receipt_s: state.lastReceiptS ?? null,
      epoch: state.epoch,
      next: state.next,
      condition: this.#condition.name,
      ...(this.#power !== undefined && { power: this.#power }),
    };
  }

  view(): StatusView {
    const { config, clock, software } = this.#parts;
    const { state } = this.#journal;
    const { source, errorMs } = clock.now().quality;
    return {
      gateway: config.gateway,
      kid: toHex(this.#kid),
      status: {
        state: 'online',
        gateway: config.gateway,
        sinceS: this.#sinceS,
        software,
        epoch: state.epoch,
        nextNumber: state.next,
        pending: this.#pending,
        shelved: this.#journal.shelved,
        lostReadings: state.lostReadings,
        ...(state.lastReceiptS !== undefined && { lastReceiptS: state.lastReceiptS }),
        clock: { source, errorMs },
        meters: this.#board.statuses(),
      },
      condition: this.#condition,
      refused: state.refused,
      meterReasons: this.#board.reasons(),
    };
  }

  get #pending(): number {
    return this.#journal.pending - this.#dialogue.kept;
  }

  get #condition(): Condition {
    const found: Condition[] = [this.#dialogue.condition];
    if (this.#failure !== undefined) found.push({ name: 'outbox-broken', reason: this.#failure });
    if (this.#measure.isFull) {
      found.push({ name: 'outbox-full', reason: `the outbox holds ${this.#journal.held} samples and takes no more` });
    }
    if (!this.#isConnected) found.push({ name: 'no-broker', reason: this.#lostReason });
    return found.reduce((worst, next) =>
      CONDITION_NAMES.indexOf(next.name) < CONDITION_NAMES.indexOf(worst.name) ? next : worst,
    );
  }

  /** Rounds and steps one after the other. */
  #enqueue(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action).catch((error: unknown) => this.#fail(error));
    this.#turn = turn;
    return turn;
  }

  async #round(due: { readonly isEdge: boolean }): Promise<void> {
    if (this.#isStopped) return;
    const { readings, sealed, boardChanged } = await this.#measure.round(due);
    this.#sealed += sealed;
    this.#failure = undefined;
    this.#power = this.#live.look(readings) ?? this.#power;
    // A clock that stands has no now: a replay says nothing about power.
    const hasNow = this.#parts.clock.realMsUntil(0) !== undefined;
    if (hasNow && this.#power !== undefined) this.#announcer.sayLive(this.#power);
    if (boardChanged) this.#announcer.due();
  }

  #onProgress(): void {
    try {
      this.#sealed += this.#measure.resume();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#isSettled || this.#dialogue.isStuck) this.#waiter?.();
  }

  get #isSettled(): boolean {
    return this.#dialogue.isSettled && !this.#measure.sealIsDue;
  }

  async #untilSettled(): Promise<void> {
    if (this.#isSettled || this.#dialogue.isStuck || this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.timers.after(STEP_DEADLINE_MS, resolve);
      this.#waiter = () => {
        cancel();
        resolve();
      };
    });
    this.#waiter = undefined;
  }

  #onReady(): void {
    this.#isConnected = true;
    this.#sinceS = Math.max(0, Math.floor(this.#parts.clock.now().utcMs / 1000));
    this.#announcer.due();
    this.#dialogue.ready();
  }

  #onLost(reason: string): void {
    this.#isConnected = false;
    this.#lostReason = reason;
    this.#dialogue.lost();
    this.#announcer.say();
  }

  #fail(error: unknown): void {
    this.#failure = reasonOf(error);
    this.#announcer.note(this.#failure);
    if (!this.#isStopped) this.#announcer.say();
  }
}
