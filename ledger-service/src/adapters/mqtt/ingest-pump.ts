import { checkpointTopic, gatewayTopic } from '@commonwatt/firmware-protocol';
import type { Clock } from '../../usecases/ports.js';
import { AnswersOut, MAX_ANSWERS_OUT } from './answers-out.js';
import { CheckpointPublisher } from './checkpoint-publisher.js';
import { IngestLane, type LaneCounts } from './ingest-lane.js';
import { KnownTopics } from './known-topics.js';
import { type BusMessage, HANDED_OVER, type Intake, type MessageBus, TAKEN } from './message-bus.js';
import type { PumpAnswer, PumpCommunity, PumpLedger } from './pump-ledger.js';
import type { PumpObserver } from './pump-observer.js';

/** How often intervals that have become due are settled and checkpoints are looked at, real time. */
const TICK_MS = 200;
/** How often an unknown community is looked up in the store, however often strangers name it. */
const LOOKUP_EVERY_MS = 1_000;
/** Intervals end, and their deadlines pass, on whole minutes. */
const DUE_GRID_MS = 60_000;
/** While frames keep coming, intervals are settled this often: not one version of them for every tick of a flood. */
const BUSY_SETTLE_EVERY_MS = 5_000;
const SAME_LINE_EVERY_MS = 10_000;

export interface PumpDeps {
  readonly ledger: PumpLedger;
  readonly bus: MessageBus;
  readonly clock: Clock;
  /** Real time in milliseconds, from any origin. */
  readonly monotonicMs: () => number;
  readonly log: (line: string) => void;
  /** 'tick': settles by itself. 'by-hand': somebody calls settleDue, step by step. */
  readonly settle?: 'tick' | 'by-hand';
  readonly observer?: PumpObserver | undefined;
}

export interface PumpCounts extends LaneCounts {
  /** Messages for communities that are not here. */
  unknown: number;
  queued: number;
}

interface Lane {
  readonly id: string;
  readonly ledger: PumpCommunity;
  readonly ingest: IngestLane;
  readonly checkpoint: CheckpointPublisher;
  dirty: boolean;
  settledMinute: number;
  settledMs: number;
  /** Intervals that are due and could not be booked when it was tried last. */
  held: number;
}

/** Carries messages from the broker into each community's ledger, and answers and checkpoints back out. */
export class IngestPump {
  readonly #deps: PumpDeps;
  readonly #lanes = new Map<string, Lane>();
  readonly #topics = new KnownTopics();
  readonly #answers = new AnswersOut();
  #unknown = 0;
  #lastLine = { text: '', atMs: 0 };
  #lookedUpMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> | undefined;

  constructor(deps: PumpDeps) {
    this.#deps = deps;
  }

  get counts(): PumpCounts {
    const sum: PumpCounts = {
      ...{ accepted: 0, duplicate: 0, refused: 0, parked: 0, events: 0, failed: 0, turnedAway: 0, commits: 0 },
      unknown: this.#unknown,
      queued: 0,
    };
    for (const { ingest } of this.#lanes.values()) {
      for (const key of Object.keys(ingest.counts) as (keyof LaneCounts)[]) sum[key] += ingest.counts[key];
      sum.queued += ingest.queued;
    }
    return sum;
  }

  /** By community, how many of its intervals cannot be booked, since their money or energy fits no account. */
  get heldIntervals(): ReadonlyMap<string, number> {
    return new Map([...this.#lanes.values()].map(({ id, held }) => [id, held]));
  }

  /** Opens the communities that exist and takes messages in. */
  async start(): Promise<void> {
    await this.#lookUp();
    this.#deps.bus.onMessage((message) => this.#take(message));
    this.#timer = setInterval(() => {
      this.#ticking ??= this.#tick().finally(() => {
        this.#ticking = undefined;
      });
    }, TICK_MS);
  }

  /** Resolves when every message taken in so far has been decided. */
  async idle(): Promise<void> {
    for (const { ingest } of this.#lanes.values()) await ingest.idle();
  }

  /** Step by step: as many frames as came in the step before will come together in the next. */
  expect(frames: number): void {
    for (const { ingest } of this.#lanes.values()) ingest.expect(frames);
  }

  /** Takes nothing more in, finishes what waits, settles what is due, publishes the last checkpoints. */
  async stop(): Promise<void> {
    this.#deps.bus.pause();
    clearInterval(this.#timer);
    await this.#ticking;
    await Promise.all([...this.#lanes.values()].map(({ ingest }) => ingest.stop()));
    for (const lane of this.#lanes.values()) await this.#tend(lane, true);
    await this.#answers.downTo(0);
  }

  /** Untrusted. */
  #take(message: BusMessage): Intake {
    const topic = this.#topics.parse(message.topic);
    if (topic === undefined || (topic.leaf !== 'frame' && topic.leaf !== 'event')) return TAKEN;
    const offer = { kind: topic.leaf, gateway: topic.gateway, message: message.payload };
    const lane = this.#lanes.get(topic.community);
    if (lane !== undefined) return lane.ingest.offer(offer);
    const late = this.#lateLane(topic.community);
    const intake = late.then((found) => found?.ingest.offer(offer) ?? TAKEN);
    return { room: intake.then(({ room }) => room), kept: intake.then(({ kept }) => kept) };
  }

  /** A community that was created since the last look, or none at all. */
  async #lateLane(id: string): Promise<Lane | undefined> {
    if (this.#deps.monotonicMs() - this.#lookedUpMs >= LOOKUP_EVERY_MS) {
      await this.#lookUp().catch((error: unknown) => this.#log('communities', error));
    }
    const lane = this.#lanes.get(id);
    if (lane === undefined) this.#unknown += 1;
    return lane;
  }

  async #lookUp(): Promise<void> {
    this.#lookedUpMs = this.#deps.monotonicMs();
    for (const id of await this.#deps.ledger.communities()) {
      if (this.#lanes.has(id)) continue;
      const ledger = await this.#deps.ledger.community(id);
      if (!this.#lanes.has(id)) this.#lanes.set(id, this.#openLane(id, ledger));
    }
  }

  #openLane(id: string, community: PumpCommunity): Lane {
    const { bus, monotonicMs, observer, log } = this.#deps;
    const topic = checkpointTopic(id);
    const lane: Lane = {
      id,
      ledger: community,
      ingest: new IngestLane({
        id,
        community,
        busWaits: bus.waitsForRoom,
        monotonicMs,
        observer,
        log,
        deliver: (answers) => this.#deliver(id, answers),
        committed: () => {
          lane.dirty = true;
        },
      }),
      checkpoint: new CheckpointPublisher({
        monotonicMs,
        newest: () => community.checkpoint(),
        publish: (note) => bus.publish(topic, note, { qos: 1, retain: true }),
      }),
      dirty: true,
      settledMinute: -1,
      settledMs: Number.NEGATIVE_INFINITY,
      held: 0,
    };
    return lane;
  }

  /** Resolves when there may be more: one client that does not read must not hold up everybody's next batch. */
  #deliver(community: string, answers: readonly PumpAnswer[]): Promise<void> {
    for (const { gateway, bytes } of answers) {
      const sent = this.#deps.bus.publish(gatewayTopic(community, gateway, 'answer'), bytes, { qos: 1 });
      if (sent === HANDED_OVER) continue;
      this.#answers.add(sent.catch((error: unknown) => this.#log(`answer to ${gateway}`, error)));
    }
    return this.#answers.downTo(MAX_ANSWERS_OUT);
  }

  async #tick(): Promise<void> {
    for (const lane of this.#lanes.values()) await this.#tend(lane, false);
    if (this.#lanes.size === 0) await this.#lookUp().catch((error: unknown) => this.#log('communities', error));
  }

  async #tend(lane: Lane, last: boolean): Promise<void> {
    try {
      if (this.#deps.settle !== 'by-hand') await this.#settle(lane);
      if (this.#deps.bus.connected) await lane.checkpoint.publishIfDue(last);
    } catch (error) {
      this.#log(`community ${lane.id}`, error);
    }
  }

  async #settle(lane: Lane): Promise<void> {
    const minute = Math.floor(this.#deps.clock.nowMs() / DUE_GRID_MS);
    if (!lane.dirty && minute === lane.settledMinute) return;
    const nowMs = this.#deps.monotonicMs();
    if (!lane.ingest.isIdle && nowMs - lane.settledMs < BUSY_SETTLE_EVERY_MS) return;
    lane.dirty = false;
    lane.settledMs = nowMs;
    try {
      const { answers, heldS } = await lane.ledger.settleDue();
      lane.settledMinute = minute;
      lane.held = heldS.length;
      if (heldS.length > 0) this.#log(`community ${lane.id}`, heldError(heldS));
      await this.#deliver(lane.id, answers);
    } catch (error) {
      lane.dirty = true;
      throw error;
    }
  }

  /** The same trouble again is written down once in a while, not at each tick. */
  #log(what: string, error: unknown): void {
    const line = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    const nowMs = this.#deps.monotonicMs();
    if (line === this.#lastLine.text && nowMs - this.#lastLine.atMs < SAME_LINE_EVERY_MS) return;
    this.#lastLine = { text: line, atMs: nowMs };
    this.#deps.log(line);
  }
}

function heldError(heldS: readonly number[]): Error {
  const first = new Date(heldS[0]! * 1000).toISOString();
  return new Error(
    `${heldS.length} intervals from ${first} on are not booked: their money or energy fits no account; ` +
      'look at the meters and give them a power limit',
  );
}
