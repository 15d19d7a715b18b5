import {
  type BlockWords,
  decodeReadings,
  type Profile,
  planReads,
  type ReadBlock,
  type SunSpecLayout,
  walkSunSpec,
} from '@commonwatt/firmware-protocol/registers';
import { GatewayError, type GatewayErrorCode, reasonOf } from '../errors.js';
import type { Clock, Instant, Timers } from './clock.js';
import type { MeterConfig } from './gateway-config.js';
import type { MeterLink } from './meter-link.js';
import { type MeterReading, SAME_INSTANT_MS } from './reading.js';

/** Real milliseconds before a meter that failed is tried again between edges: doubled with each failure. */
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;

/** What came of one poll of one meter. */
export type PollOutcome =
  /** One reading, or one for each block of counters where these were read far apart. */
  | { readonly kind: 'reading'; readonly readings: readonly MeterReading[] }
  | { readonly kind: 'failed'; readonly code: GatewayErrorCode; readonly reason: string }
  /** Not tried: it failed lately, and this is no edge. */
  | { readonly kind: 'resting'; readonly reason: string };

export interface PollerParts {
  readonly meter: MeterConfig;
  readonly link: MeterLink;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What one request brought, and when. */
interface TimedWords extends BlockWords {
  readonly asked: Instant;
  readonly answered: Instant;
}

/** Reads one meter through its link, by its profile. */
export class MeterPoller {
  readonly meter: MeterConfig;
  readonly #link: MeterLink;
  readonly #clock: Clock;
  readonly #timers: Timers;
  #failures = 0;
  #restUntilMs = 0;
  #lastReason = '';
  #plan:
    | { readonly blocks: readonly ReadBlock[]; readonly layout?: SunSpecLayout; readonly connection: number }
    | undefined;

  constructor(parts: PollerParts) {
    this.meter = parts.meter;
    this.#link = parts.link;
    this.#clock = parts.clock;
    this.#timers = parts.timers;
  }

  /** What the meter said, or why there is nothing. Never throws. An edge is always tried, however often the meter failed. */
  async poll(due: { readonly isEdge: boolean }): Promise<PollOutcome> {
    if (!due.isEdge && this.#timers.nowMs() < this.#restUntilMs) return { kind: 'resting', reason: this.#lastReason };
    const connectionsBefore = this.#link.connections;
    try {
      return this.#succeed(await this.#read());
    } catch (error) {
      if (!due.isEdge || !wasStale(error, connectionsBefore, this.#link.connections)) return this.#fail(error);
    }
    // A connection from an earlier poll turned out to be dead: an edge is worth a fresh one.
    try {
      return this.#succeed(await this.#read());
    } catch (error) {
      return this.#fail(error);
    }
  }

  #succeed(readings: readonly MeterReading[]): PollOutcome {
    this.#failures = 0;
    this.#restUntilMs = 0;
    return { kind: 'reading', readings };
  }

  #fail(error: unknown): PollOutcome {
    const restMs = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, MAX_BACKOFF_MS);
    this.#failures = Math.min(this.#failures + 1, 32);
    this.#restUntilMs = this.#timers.nowMs() + restMs;
    this.#lastReason = reasonOf(error);
    return {
      kind: 'failed',
      code: error instanceof GatewayError ? error.code : 'meter-garbled',
      reason: this.#lastReason,
    };
  }

  async #read(): Promise<readonly MeterReading[]> {
    const { profile } = this.meter;
    const { blocks, layout } = await this.#planned();
    const answers: TimedWords[] = [];
    for (const block of blocks) answers.push(await this.#readBlock(block));
    const { powerW, moved } = decodeReadings(profile, answers, layout);
    if (moved) this.#plan = undefined;
    // Counters come first: what the power takes to be read does not blur their time.
    const timed = answers.filter(({ block }) => holdsCounters(profile, block));
    const spanMs = timed.length < 2 ? 0 : timed.at(-1)!.answered.utcMs - timed[0]!.asked.utcMs;
    const groups = spanMs <= SAME_INSTANT_MS ? [timed] : timed.map((answer) => [answer]);
    return groups.map((group, at) => this.#toReading(group, layout, at === 0 ? powerW : {}));
  }

  async #readBlock(block: ReadBlock): Promise<TimedWords> {
    let asked: Instant | undefined;
    const words = await this.#link.read(this.meter.unit, block, () => {
      asked = this.#clock.now();
    });
    const answered = this.#clock.now();
    return { block, words, asked: asked ?? answered, answered };
  }

  #toReading(
    answers: readonly TimedWords[],
    layout: SunSpecLayout | undefined,
    power: MeterReading['power'],
  ): MeterReading {
    const { profile, index, channels } = this.meter;
    const enrolled = new Set(channels.map(({ quantity }) => quantity));
    const from = answers[0]?.asked ?? this.#clock.now();
    const to = answers.at(-1)?.answered ?? from;
    return {
      meterIndex: index,
      atMs: (from.utcMs + to.utcMs) / 2,
      quality: to.quality,
      counters: decodeReadings(profile, answers, layout)
        .counters.flatMap(({ quantity, value }) =>
          value !== 'absent' && enrolled.has(quantity) ? [{ quantity, value }] : [],
        )
        .toSorted((a, b) => a.quantity - b.quantity),
      power,
    };
  }

  /** A table is planned once; a chain of models is walked again over each new connection. */
  async #planned(): Promise<{ readonly blocks: readonly ReadBlock[]; readonly layout?: SunSpecLayout }> {
    const { profile, unit } = this.meter;
    if (profile.kind !== 'sunspec') {
      this.#plan ??= { blocks: countersFirst(profile, planReads(profile)), connection: 0 };
      return this.#plan;
    }
    if (this.#plan !== undefined && this.#plan.connection === this.#link.connections) return this.#plan;
    const layout = await walkSunSpec((address, count) => this.#link.read(unit, { function: 3, address, count }));
    const blocks = countersFirst(profile, planReads(profile, layout));
    this.#plan = { blocks, layout, connection: this.#link.connections };
    return this.#plan;
  }
}

/** Whether a read failed over a connection that an earlier poll had opened. An exception is an answer, not a failure. */
function wasStale(error: unknown, connectionsBefore: number, connectionsAfter: number): boolean {
  const isAnswer = error instanceof GatewayError && error.code === 'meter-exception';
  return !isAnswer && connectionsBefore > 0 && connectionsBefore === connectionsAfter;
}

function countersFirst(profile: Profile, blocks: readonly ReadBlock[]): ReadBlock[] {
  return [
    ...blocks.filter((block) => holdsCounters(profile, block)),
    ...blocks.filter((block) => !holdsCounters(profile, block)),
  ];
}

function holdsCounters(profile: Profile, { address, count, model }: ReadBlock): boolean {
  return profile.channels.some(({ point }) =>
    point.models === undefined
      ? point.address >= address && point.address < address + count
      : model !== undefined && point.models.includes(model.id),
  );
}
