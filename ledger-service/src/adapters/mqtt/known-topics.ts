/** Topics taken apart: a gateway's frames all come on the same one. */
import { parseTopic } from '@commonwatt/firmware-protocol';

/** Beyond so many, all are taken apart anew. */
const MAX_KNOWN = 4_096;
/** No topic of this protocol is longer, and longer ones are not kept. */
const MAX_LENGTH = 256;

export type Topic = NonNullable<ReturnType<typeof parseTopic>>;

export class KnownTopics {
  readonly #known = new Map<string, Topic>();

  /** Untrusted. Undefined for all that is not a gateway's topic of this version. */
  parse(topic: string): Topic | undefined {
    const known = this.#known.get(topic);
    if (known !== undefined || topic.length > MAX_LENGTH) return known;
    const parsed = parseTopic(topic);
    if (parsed === undefined) return undefined;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(topic, parsed);
    return parsed;
  }
}
