/**
 * Who hears which topic, as the broker library wants it (its `mq`). Most topics have one listener or none, so that a filter
 * without wildcards is one look into a map; and the broker can ask how many would hear a message before it makes one.
 */

/** Calls `done` when it has passed the message on. */
export type TopicListener = (message: TopicMessage, done: () => void) => void;

export interface TopicMessage {
  readonly topic: string;
}

interface WildListener {
  readonly filter: string;
  /** What stands before the first wildcard, without the slash that ends it: the topic has to begin with it. */
  readonly beginning: string;
  readonly levels: readonly string[];
  readonly listener: TopicListener;
}

const NOBODY: readonly TopicListener[] = [];

export class TopicListeners {
  readonly #exact = new Map<string, Set<TopicListener>>();
  #wild: readonly WildListener[] = [];
  #closed = false;

  on(filter: string, listener: TopicListener, done?: () => void): this {
    if (hasWildcard(filter)) {
      const beginning = filter.slice(0, Math.max(0, filter.search(/[+#]/) - 1));
      this.#wild = [...this.#wild, { filter, beginning, levels: filter.split('/'), listener }];
    } else {
      const known = this.#exact.get(filter);
      if (known === undefined) this.#exact.set(filter, new Set([listener]));
      else known.add(listener);
    }
    if (done !== undefined) setImmediate(done);
    return this;
  }

  removeListener(filter: string, listener: TopicListener, done?: () => void): this {
    if (hasWildcard(filter)) {
      this.#wild = this.#wild.filter((known) => known.filter !== filter || known.listener !== listener);
    } else {
      const known = this.#exact.get(filter);
      known?.delete(listener);
      if (known?.size === 0) this.#exact.delete(filter);
    }
    if (done !== undefined) setImmediate(done);
    return this;
  }

  /** How many would hear a message on this topic. */
  count(topic: string): number {
    return (this.#exact.get(topic)?.size ?? 0) + this.#wildOf(topic).length;
  }

  /** `done` is called when every listener has passed the message on, never before this returns. */
  emit(message: TopicMessage, done: (error?: Error) => void = () => undefined): this {
    if (this.#closed) {
      queueMicrotask(() => done(new Error('the broker is closed')));
      return this;
    }
    const listeners = [...(this.#exact.get(message.topic) ?? []), ...this.#wildOf(message.topic)];
    if (listeners.length === 0) {
      queueMicrotask(done);
      return this;
    }
    let left = listeners.length;
    for (const listener of listeners) {
      listener(message, () => {
        left -= 1;
        if (left === 0) queueMicrotask(done);
      });
    }
    return this;
  }

  close(done: () => void): this {
    this.#closed = true;
    setImmediate(done);
    return this;
  }

  #wildOf(topic: string): readonly TopicListener[] {
    let found: TopicListener[] | undefined;
    for (const { beginning, levels, listener } of this.#wild) {
      if (!topic.startsWith(beginning) || !covers(levels, topic.split('/'))) continue;
      found ??= [];
      found.push(listener);
    }
    return found ?? NOBODY;
  }
}

function hasWildcard(filter: string): boolean {
  return filter.includes('+') || filter.includes('#');
}

/** MQTT 4.7.1: `+` stands for one level, `#` for any number of them and for the level above it. */
function covers(filter: readonly string[], topic: readonly string[]): boolean {
  for (const [i, level] of filter.entries()) {
    if (level === '#') return true;
    if (i >= topic.length || (level !== '+' && level !== topic[i])) return false;
  }
  return filter.length === topic.length;
}
