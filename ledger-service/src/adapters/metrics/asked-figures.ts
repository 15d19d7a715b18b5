/** Figures that are read off the ledger whenever somebody asks for the page. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { CommunityGauges } from '../../usecases/queries/index.js';

export interface MetricsSources {
  readonly gauges: () => Promise<readonly CommunityGauges[]>;
  /** By community, how many intervals cannot be booked. */
  readonly heldIntervals: () => ReadonlyMap<string, number>;
  /** Messages in front of the ledger. */
  readonly queuedMessages: () => number;
  /** Messages for communities that are not here, since the start. */
  readonly unknownMessages: () => number;
  /** Messages beyond what may wait of their sender, since the start. */
  readonly turnedAway: () => number;
}

/** Name, help and labels of one of our figures in this registry. */
export function ownFigure(registry: Registry) {
  return <const Labels extends readonly string[]>(name: string, help: string, labelNames: Labels) => ({
    name: `commonwatt_${name}`,
    help,
    labelNames: [...labelNames] as Labels[number][],
    registers: [registry],
  });
}

export class AskedFigures {
  readonly #sources: MetricsSources;
  readonly #size: Gauge<'community'>;
  readonly #open: Gauge<'community'>;
  readonly #held: Gauge<'community'>;
  readonly #age: Gauge<'community' | 'gateway'>;
  readonly #queue: Gauge;
  readonly #unknown: Counter;
  readonly #turnedAway: Counter;
  #unknownBefore = 0;
  #turnedAwayBefore = 0;

  constructor(registry: Registry, sources: MetricsSources) {
    this.#sources = sources;
    const own = ownFigure(registry);
    this.#size = new Gauge(own('log_size', 'Entries of the log.', ['community']));
    this.#open = new Gauge(
      own('open_intervals', 'Intervals that are still to be settled, or settled again.', ['community']),
    );
    this.#held = new Gauge(
      own('held_intervals', 'Intervals that cannot be booked: their money or energy fits no account.', ['community']),
    );
    this.#age = new Gauge(
      own('newest_frame_age_seconds', "Since the newest frame of a gateway came, by the ledger's clock.", [
        'community',
        'gateway',
      ]),
    );
    this.#queue = new Gauge(own('ingest_queue', 'Messages that wait for their commit.', []));
    this.#unknown = new Counter(own('unknown_community_total', 'Messages for communities that are not here.', []));
    this.#turnedAway = new Counter(own('turned_away_total', 'Messages beyond what may wait of their sender.', []));
  }

  /** A community or gateway that is gone is no longer told of. */
  async refresh(): Promise<void> {
    const communities = await this.#sources.gauges();
    const held = this.#sources.heldIntervals();
    for (const figure of [this.#size, this.#open, this.#held, this.#age]) figure.reset();
    for (const { community, size, openIntervals, gateways } of communities) {
      this.#size.set({ community }, size);
      this.#open.set({ community }, openIntervals);
      this.#held.set({ community }, held.get(community) ?? 0);
      for (const { gateway, newestFrameAgeS } of gateways) this.#age.set({ community, gateway }, newestFrameAgeS);
    }
    this.#queue.set(this.#sources.queuedMessages());
    const unknown = this.#sources.unknownMessages();
    this.#unknown.inc(unknown - this.#unknownBefore);
    this.#unknownBefore = unknown;
    const turnedAway = this.#sources.turnedAway();
    this.#turnedAway.inc(turnedAway - this.#turnedAwayBefore);
    this.#turnedAwayBefore = turnedAway;
  }
}
