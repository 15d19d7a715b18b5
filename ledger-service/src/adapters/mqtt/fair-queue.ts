/** Senders without anything waiting of whom it is known when their last turn was. Who is forgotten counts as new. */
const MAX_REMEMBERED = 10_000;

interface Line<T> {
  readonly sender: string;
  readonly items: { readonly item: T; readonly bytes: number }[];
  /** Its last turn, counted over all senders; 0: it had none. */
  turn: number;
  bytes: number;
}

/**
 * One line for each sender, and whose last turn is longest ago has the next: backlogs take turns, and whoever sends a message
 * now and then waits for none of them. Within a line the order stays. Nobody is passed over for good, since each message
 * taken puts its sender behind all others. A line that is empty is gone, so there are never more lines than messages.
 */
export class FairQueue<T> {
  readonly #lines = new Map<string, Line<T>>();
  /** The lines in the order of their last turns. */
  readonly #waiting: Line<T>[] = [];
  /** Last turns of senders who have no line, in their order. */
  readonly #turns = new Map<string, number>();
  #taken = 0;
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
    return this.#waiting.length;
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
    return this.#waiting[0]?.items[0]?.item;
  }

  take(): T | undefined {
    const line = this.#waiting.shift();
    const next = line?.items.shift();
    if (line === undefined || next === undefined) return undefined;
    line.bytes -= next.bytes;
    this.#size -= 1;
    this.#bytes -= next.bytes;
    this.#taken += 1;
    line.turn = this.#taken;
    if (line.items.length > 0) this.#waiting.push(line);
    else this.#close(line);
    return next.item;
  }

  #open(sender: string): Line<T> {
    const line: Line<T> = { sender, items: [], turn: this.#turns.get(sender) ?? 0, bytes: 0 };
    this.#turns.delete(sender);
    this.#lines.set(sender, line);
    this.#waiting.splice(this.#placeOf(line.turn), 0, line);
    return line;
  }

  #close({ sender, turn }: Line<T>): void {
    this.#lines.delete(sender);
    this.#turns.set(sender, turn);
    if (this.#turns.size > MAX_REMEMBERED) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const sender of this.#turns.keys()) {
      this.#turns.delete(sender);
      return;
    }
  }

  /** Behind all whose last turn was before, and those who never had one and came earlier. */
  #placeOf(turn: number): number {
    let from = 0;
    let to = this.#waiting.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#waiting[middle]?.turn ?? 0) <= turn) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
