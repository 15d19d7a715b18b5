interface Line<T> {
  readonly sender: string;
  readonly items: { readonly item: T; readonly bytes: number }[];
  bytes: number;
}

/**
 * One line for each sender, and the lines take turns: whoever has one message waits for one of everybody else, not for
 * their backlogs. Within a line the order stays. A line that is empty is gone, so there are never more lines than messages.
 */
export class FairQueue<T> {
  readonly #lines = new Map<string, Line<T>>();
  /** The lines in the order of their turns. */
  readonly #turns: Line<T>[] = [];
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Senders that have something waiting. */
  get senders(): number {
    return this.#turns.length;
  }

  /** What waits of one sender. */
  of(sender: string): { readonly messages: number; readonly bytes: number } {
    const line = this.#lines.get(sender);
    return { messages: line?.items.length ?? 0, bytes: line?.bytes ?? 0 };
  }

  push(sender: string, item: T, bytes: number): void {
    const line = this.#lines.get(sender) ?? this.#open(sender);
    line.items.push({ item, bytes });
    line.bytes += bytes;
    this.#size += 1;
    this.#bytes += bytes;
  }

  /** The next in turn; it stays where it is. */
  peek(): T | undefined {
    return this.#turns[0]?.items[0]?.item;
  }

  /** The next in turn. Its sender comes again after all others. */
  take(): T | undefined {
    const line = this.#turns.shift();
    const next = line?.items.shift();
    if (line === undefined || next === undefined) return undefined;
    line.bytes -= next.bytes;
    this.#size -= 1;
    this.#bytes -= next.bytes;
    if (line.items.length > 0) this.#turns.push(line);
    else this.#lines.delete(line.sender);
    return next.item;
  }

  #open(sender: string): Line<T> {
    const line: Line<T> = { sender, items: [], bytes: 0 };
    this.#lines.set(sender, line);
    this.#turns.push(line);
    return line;
  }
}
