import type { CounterEvent } from '@commonwatt/firmware-protocol';
import { GatewayError } from '../errors.js';
import type { Clock } from './clock.js';
import { judgeCounters } from './counters.js';
import type { Dialogue } from './dialogue.js';
import type { GatewayConfig, MeterConfig } from './gateway-config.js';
import type { Change, Journal, SignedMessage } from './journal.js';
import type { Petitions } from './petitions.js';
import type { MeterPoller, PollOutcome } from './poll.js';
import { channelName, type MeterReading, type Sample, toSamples, toSeconds } from './reading.js';
import type { Sealer } from './sealer.js';
import type { GatewayState, MeterState } from './state.js';
import type { MeterBoard } from './status.js';
import { thinSamples } from './thin.js';

/** From here on readings between edges are given up, so that those at edges still find room. */
const NEARLY_FULL = 0.9;
/** Wall time and uptime that part by more than this between two rounds: the clock was set. */
const CLOCK_STEP_MS = 2000;

export interface MeasureParts {
  readonly config: GatewayConfig;
  readonly pollers: readonly MeterPoller[];
  readonly clock: Clock;
  readonly journal: Journal;
  readonly sealer: Sealer;
  readonly petitions: Petitions;
  readonly dialogue: Dialogue;
  readonly board: MeterBoard;
}

/** What one round of polls came to. */
export interface RoundResult {
  readonly readings: readonly MeterReading[];
  readonly sealed: number;
  /** Whether a meter came within reach or went out of it. */
  readonly boardChanged: boolean;
}

/** What the readings of a round mean. */
interface Judged {
  readonly meters: GatewayState['meters'];
  readonly events: readonly CounterEvent[];
  readonly samples: readonly Sample[];
}

/** The measuring side of the box: polls, judges, keeps, and seals at the edges. */
export class Measure {
  readonly #parts: MeasureParts;
  /** Channels whose next sample begins a frame: nothing is known about the time before it. */
  readonly #missed: Set<string>;
  #driftMs: number | undefined;
  #clockStepS: number | undefined;
  #sealIsDue = false;
  #isFull = false;
  #readings = 0;

  constructor(parts: MeasureParts) {
    this.#parts = parts;
    this.#missed = new Set(parts.config.meters.flatMap(channelNames));
  }

  /** Meter readings since the start of the process. */
  get readings(): number {
    return this.#readings;
  }

  /** Nothing is polled any more until answers make room. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get sealIsDue(): boolean {
    return this.#sealIsDue;
  }

  /** Polls every meter, keeps what they said, and at an edge seals it. Throws what a commit throws. */
  async round(due: { readonly isEdge: boolean }): Promise<RoundResult> {
    const { journal, pollers, board, config } = this.#parts;
    this.#isFull = journal.held >= config.outboxLimit;
    if (this.#isFull) {
      this.#lose(pollers.length);
      for (const name of pollers.flatMap(({ meter }) => channelNames(meter))) this.#missed.add(name);
      return { readings: [], sealed: 0, boardChanged: false };
    }
    const outcomes = await Promise.all(pollers.map((poller) => poller.poll(due)));
    const changes = pollers.map(({ meter }, at) => board.note(meter.index, outcomes[at]!));
    const readings = this.#readingsOf(outcomes);
    return { readings, sealed: this.#keep(readings, due), boardChanged: changes.includes(true) };
  }

  /** Seals what waited for the ledger's word, or came back from a refused frame. */
  resume(): number {
    const { dialogue } = this.#parts;
    const isDue = dialogue.takeReturned() || this.#sealIsDue;
    if (!isDue || !dialogue.canSeal) return 0;
    const frames = this.#parts.sealer.seal([]);
    this.#sealIsDue = false;
    dialogue.say(frames);
    return frames.length;
  }

  #readingsOf(outcomes: readonly PollOutcome[]): MeterReading[] {
    const readings = outcomes.flatMap((outcome) => (outcome.kind === 'reading' ? outcome.readings : []));
    const read = new Set(readings.flatMap(channelsOf));
    for (const name of this.#parts.config.meters.flatMap(channelNames)) if (!read.has(name)) this.#missed.add(name);
    return readings;
  }

  /** Makes the readings durable, sealed or waiting. Returns the number of frames. */
  #keep(readings: readonly MeterReading[], due: { readonly isEdge: boolean }): number {
    const { journal, dialogue } = this.#parts;
    this.#noteClock();
    const fresh = readings.filter(({ meterIndex, atMs, counters }) => {
      const isAgain = journal.state.meters.get(meterIndex)?.lastS === toSeconds(atMs);
      return counters.length > 0 && !isAgain;
    });
    const judged = this.#judge(fresh);
    try {
      this.#thin(judged.samples);
      const { samples, change } = this.#tellEvents(judged);
      const frames = this.#store(samples, change, due);
      this.#settle(fresh);
      dialogue.say(frames);
      return frames.length;
    } catch (error) {
      // The first commit carries the meters' state with the samples: if it did not hold, these readings are gone.
      if (fresh.length > 0 && journal.state.meters !== judged.meters) this.#lose(fresh.length);
      throw error;
    }
  }

  /** A counter event stands in the outbox, and goes out, before the frame with the reading that confirmed it. */
  #tellEvents({ meters, events, samples }: Judged): { samples: readonly Sample[]; change: Change } {
    let rest: { samples: readonly Sample[]; change: Change } = {
      samples,
      change: samples.length > 0 ? { state: { meters } } : {},
    };
    for (const event of events) {
      const message = this.#parts.petitions.counterEvent(event, { ...rest.change, addSamples: rest.samples });
      this.#parts.dialogue.say([message]);
      rest = { samples: [], change: {} };
    }
    return rest;
  }

  #store(samples: readonly Sample[], change: Change, due: { readonly isEdge: boolean }): readonly SignedMessage[] {
    const { journal, sealer, dialogue } = this.#parts;
    if (due.isEdge && dialogue.canSeal) {
      const frames = sealer.seal(samples, change);
      this.#sealIsDue = false;
      return frames;
    }
    if (samples.length > 0) journal.commit({ ...change, addSamples: samples });
    this.#sealIsDue ||= due.isEdge;
    return [];
  }

  #settle(fresh: readonly MeterReading[]): void {
    this.#readings += fresh.length;
    for (const name of fresh.flatMap(channelsOf)) this.#missed.delete(name);
    if (fresh.length > 0) this.#clockStepS = undefined;
  }

  #judge(fresh: readonly MeterReading[]): Judged {
    const { config, journal } = this.#parts;
    const known = journal.state.meters;
    const samples = toSamples(fresh, {
      lastS: (meterIndex) => known.get(meterIndex)?.lastS,
      missed: (channel) => this.#missed.has(channel),
      ...(this.#clockStepS !== undefined && { clockStepS: this.#clockStepS }),
    });
    const meters = new Map(known);
    const events: CounterEvent[] = [];
    for (const { meterIndex, atMs, counters } of fresh) {
      const meter = config.meters.find(({ index }) => index === meterIndex);
      if (meter === undefined) throw new GatewayError('stopped', `meter ${meterIndex} is not configured`);
      const look = { atS: toSeconds(atMs), counters };
      const { state, event } = judgeCounters(stateOf(meter, meters), look, meter.channels);
      const lastS = samples.findLast(({ channels }) => channels.some((c) => c.meterIndex === meterIndex))?.atS;
      meters.set(meterIndex, { ...state, ...(lastS !== undefined && { lastS }) });
      if (event !== undefined) events.push({ meter: meter.id, ...event });
    }
    return { meters, events, samples };
  }

  #noteClock(): void {
    const { utcMs, uptimeMs } = this.#parts.clock.now();
    const driftMs = utcMs - uptimeMs;
    const stepMs = driftMs - (this.#driftMs ?? driftMs);
    this.#driftMs = driftMs;
    if (Math.abs(stepMs) >= CLOCK_STEP_MS) this.#clockStepS = Math.round(stepMs / 1000);
  }

  #thin(samples: readonly Sample[]): void {
    const { journal, config } = this.#parts;
    if (journal.held < NEARLY_FULL * config.outboxLimit) return;
    const spare = thinSamples<Sample & { id?: number }>([...journal.waiting, ...samples], config.intervalS);
    const removeSamples = spare.flatMap(({ id }) => (id === undefined ? [] : [id]));
    if (removeSamples.length === 0) return;
    const gone = new Set(removeSamples);
    const readings = journal.waiting
      .filter(({ id }) => gone.has(id))
      .reduce((sum, sample) => sum + meterCount(sample), 0);
    journal.commit({ removeSamples, state: { lostReadings: journal.state.lostReadings + readings } });
  }

  #lose(readings: number): void {
    const { journal } = this.#parts;
    journal.defer({ state: { lostReadings: journal.state.lostReadings + readings } });
  }
}

function channelNames({ index, channels }: MeterConfig): string[] {
  return channels.map(({ quantity }) => channelName({ meterIndex: index, quantity }));
}

function channelsOf({ meterIndex, counters }: MeterReading): string[] {
  return counters.map(({ quantity }) => channelName({ meterIndex, quantity }));
}

/** Readings in a sample: one for each meter. */
function meterCount({ channels }: Sample): number {
  return new Set(channels.map(({ meterIndex }) => meterIndex)).size;
}

function stateOf(meter: MeterConfig, known: GatewayState['meters']): MeterState {
  const state = known.get(meter.index);
  if (state === undefined) return { generation: meter.generation, baselines: new Map() };
  // Enrolled anew under a later generation: the operator booked the change.
  return { ...state, generation: Math.max(state.generation, meter.generation) };
}
