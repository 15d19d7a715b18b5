/**
 * Figures of the running service for Prometheus. Labels are words of closed lists, routes, communities and gateways: no
 * member, no reading, nothing that strangers could make ever more of.
 */
import { VERDICT } from '@commonwatt/firmware-protocol';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { AskedFigures, type MetricsSources, ownFigure } from './asked-figures.js';

const MS_PER_S = 1000;
/** From a commit into the page cache to a disk that takes ten seconds. */
const COMMIT_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const REQUEST_BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export class ServiceMetrics {
  readonly #registry = new Registry();
  readonly #asked: AskedFigures;
  readonly #frames: Counter<'verdict'>;
  readonly #events: Counter<'verdict'>;
  readonly #dropped: Counter<'kind'>;
  readonly #batches: Histogram;
  readonly #commits: Histogram;
  readonly #requests: Counter<'method' | 'route' | 'status'>;
  readonly #requestTimes: Histogram<'method' | 'route'>;

  constructor(sources: MetricsSources) {
    const own = ownFigure(this.#registry);
    this.#frames = new Counter(own('frames_total', 'Frames by what the ledger said to them.', ['verdict']));
    this.#events = new Counter(
      own('events_total', 'Requests and counter events by what the ledger said.', ['verdict']),
    );
    this.#dropped = new Counter(own('dropped_total', 'Messages that the ledger failed on.', ['kind']));
    this.#batches = new Histogram({
      ...own('ingest_batch_seconds', 'Decision and commit of the frames that came together.', []),
      buckets: COMMIT_BUCKETS_S,
    });
    this.#commits = new Histogram({
      ...own('commit_seconds', 'Durable commits of the store.', []),
      buckets: COMMIT_BUCKETS_S,
    });
    this.#requests = new Counter(own('http_requests_total', 'Answered requests.', ['method', 'route', 'status']));
    this.#requestTimes = new Histogram({
      ...own('http_request_seconds', 'From the request to the end of its answer.', ['method', 'route']),
      buckets: REQUEST_BUCKETS_S,
    });
    // A figure that is there from the start can be told from one that is not measured.
    for (const verdict of [...Object.keys(VERDICT), 'duplicate']) this.#frames.inc({ verdict }, 0);
    for (const kind of ['frame', 'event']) this.#dropped.inc({ kind }, 0);
    this.#asked = new AskedFigures(this.#registry, sources);
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The page, in the text format. */
  async text(): Promise<string> {
    await this.#asked.refresh();
    return this.#registry.metrics();
  }

  framesDecided(decided: {
    readonly tookMs: number;
    readonly accepted: number;
    readonly duplicate: number;
    readonly refusals: readonly { readonly verdict: string }[];
  }): void {
    if (decided.accepted > 0) this.#frames.inc({ verdict: 'accepted' }, decided.accepted);
    if (decided.duplicate > 0) this.#frames.inc({ verdict: 'duplicate' }, decided.duplicate);
    for (const { verdict } of decided.refusals) this.#frames.inc({ verdict });
    this.#batches.observe(decided.tookMs / MS_PER_S);
  }

  eventDecided({ refusals }: { readonly refusals: readonly { readonly verdict: string }[] }): void {
    if (refusals.length === 0) this.#events.inc({ verdict: 'accepted' });
    for (const { verdict } of refusals) this.#events.inc({ verdict });
  }

  messageDropped({ kind }: { readonly kind: string }): void {
    this.#dropped.inc({ kind });
  }

  committed(tookMs: number): void {
    this.#commits.observe(tookMs / MS_PER_S);
  }

  /** `route`: its pattern, never an address. */
  answered(answer: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly tookMs: number;
  }): void {
    const { method, route, status, tookMs } = answer;
    this.#requests.inc({ method, route, status });
    this.#requestTimes.observe({ method, route }, tookMs / MS_PER_S);
  }
}
