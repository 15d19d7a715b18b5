/** One message from a broker. Untrusted: anyone who reaches the broker can have sent it. */
export interface BusMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/**
 * What becomes of a message that was handed in. `room` resolves once the receiver holds it: until then the sender takes no
 * more from its source. `kept` resolves once what it says is durable (or needs nothing durable): only then the broker's
 * acknowledgement may go out. A rejected `kept` means: not kept, do not acknowledge, let it come again.
 */
export interface Intake {
  readonly room: Promise<void>;
  readonly kept: Promise<void>;
}

export type MessageHandler = (message: BusMessage) => Intake;

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain?: boolean;
}

/**
 * The ledger's side of MQTT 3.1.1, the same for the embedded broker and for an external one: frames and events of every
 * gateway come in, answers and checkpoints go out (PROTOCOL 4). A bus may lose, repeat and reorder everything.
 */
export interface MessageBus {
  /** Where gateways connect. */
  readonly url: string;
  /** False while an external broker is away. Messages published meanwhile may be dropped. */
  readonly connected: boolean;
  /** Whether it takes in nothing more while the message before has no room; else each sender goes on by itself. */
  readonly waitsForRoom: boolean;
  /** Messages that came in on `.../frame`, repetitions included. */
  readonly framePublishes: number;
  /** One handler for frames and events. Until there is one nothing is taken in. */
  onMessage(handler: MessageHandler): void;
  /**
   * Resolves when the broker has taken it over, HANDED_OVER itself where it has already; rejects with LedgerError 'broker'
   * when it cannot.
   */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void>;
  /** Takes nothing more in from now on; acknowledgements and answers still go out. */
  pause(): void;
  stop(): Promise<void>;
}

const DONE = Promise.resolve();

/** What `publish` gives when there is nothing to wait for. */
export const HANDED_OVER = DONE;

/** For messages that need no keeping. */
export const TAKEN: Intake = { room: DONE, kept: DONE };
