import { formatLive, type GatewayTopics } from '@commonwatt/firmware-protocol';
import type { Alarms } from './alarms.js';
import type { BrokerLink } from './broker-link.js';
import type { LiveView } from './live.js';
import { type Condition, encodeStatus, type StatusView } from './status.js';

/** Real milliseconds between two messages on `live`, between two on `status`, and until the status is said again. */
const LIVE_PAUSE_MS = 2000;
const STATUS_PAUSE_MS = 1000;
const STATUS_REPEAT_MS = 60_000;

/** Who wants to know how the box is, besides the broker. */
export interface GatewayObserver {
  readonly onLive?: (live: LiveView) => void;
  readonly onStatus?: (view: StatusView) => void;
  /** What a person should read in the journal of the machine. */
  readonly onNote?: (text: string) => void;
}

export interface AnnouncerParts {
  readonly broker: BrokerLink;
  readonly topics: GatewayTopics;
  readonly alarms: Alarms;
  readonly observer: GatewayObserver;
  readonly view: () => StatusView;
}

/** Says how the box is: when that changes, and every minute; never more often than once a second. */
export class Announcer {
  readonly #parts: AnnouncerParts;
  #shown: Condition['name'] | undefined;
  #isDue = false;
  #saidStatusAtMs = Number.NEGATIVE_INFINITY;
  #saidLiveAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
  }

  /** Looks once a second whether there is something to say. */
  start(): void {
    this.#parts.alarms.after(STATUS_PAUSE_MS, () => {
      this.say();
      this.start();
    });
  }

  note(text: string): void {
    this.#parts.observer.onNote?.(text);
  }

  /** Something other than the condition has changed: it is said as soon as it may be. */
  due(): void {
    this.#isDue = true;
    this.say();
  }

  say(): void {
    const { alarms, observer, broker, topics, view } = this.#parts;
    const quietMs = alarms.nowMs() - this.#saidStatusAtMs;
    if (quietMs < STATUS_PAUSE_MS) return;
    const now = view();
    const { name, reason } = now.condition;
    if (!this.#isDue && name === this.#shown && quietMs < STATUS_REPEAT_MS) return;
    if (name !== this.#shown) this.note(reason === '' ? name : `${name}: ${reason}`);
    this.#shown = name;
    this.#isDue = false;
    this.#saidStatusAtMs = alarms.nowMs();
    observer.onStatus?.(now);
    broker.publish({ topic: topics.status, payload: encodeStatus(now), qos: 1, retain: true });
  }

  sayLive(live: LiveView): void {
    const { alarms, observer, broker, topics } = this.#parts;
    observer.onLive?.(live);
    if (alarms.nowMs() - this.#saidLiveAtMs < LIVE_PAUSE_MS) return;
    if (broker.publish({ topic: topics.live, payload: formatLive(live), qos: 0 })) this.#saidLiveAtMs = alarms.nowMs();
  }
}
