/** A message to publish. `retain` only for the status. */
export interface OutMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1;
  readonly retain?: boolean;
}

export interface BrokerEvents {
  /** Connected, and the subscription to the answers stands: what is published from now on can be answered. */
  onReady(): void;
  /** The connection is gone. The link tries again by itself. */
  onLost(reason: string): void;
  /** Untrusted: from the broker, before any check. */
  onMessage(topic: string, payload: Uint8Array): void;
}

/**
 * The way to the broker. Contract:
 * - `publish` sends at once when ready and returns true; otherwise it keeps nothing and returns false. The link never
 *   repeats a message by itself: what must arrive is repeated by the caller, who alone knows what was answered.
 * - The broker's acknowledgement is not reported: it means nothing here.
 * - `stop` says the last word, closes, and resolves within its bound even when the broker does not answer.
 */
export interface BrokerLink {
  start(events: BrokerEvents): void;
  publish(message: OutMessage): boolean;
  stop(lastWord?: OutMessage): Promise<void>;
  /** PUBLISH packets that were handed to the broker on the frame topic, repeats included. */
  readonly framesPublished: number;
}
