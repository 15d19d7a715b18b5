/** Homes that were never away: each seals a reading of now every few seconds, and how long its receipt takes is written down. */
import { topics } from '@commonwatt/firmware-protocol';
import type { SealedHome } from '../../bench/generator/frame-store.js';
import { GatewayLine } from '../../bench/generator/gateway-line.js';
import { publishPacket } from '../../bench/generator/mqtt-packets.js';
import type { SealingBox } from '../../bench/support/sealing-box.js';
import { StreetMeter } from '../../bench/support/street-meters.js';
import { until } from '../../e2e/support/until.js';

/** Each home's own; all of them are spread over it. */
const FRAME_EVERY_MS = 2_000;
const QUANTITIES = [1, 2] as const;
const ANSWERED_WITHIN_MS = 60_000;

interface LiveHome {
  readonly box: SealingBox;
  readonly meter: StreetMeter;
  readonly frameTopic: string;
  readonly sealed: SealedHome & { readonly messages: Uint8Array[]; readonly packets: Buffer[] };
  readonly sentAtMs: number[];
  line: GatewayLine | undefined;
}

export class LiveHomes {
  /** From publishing a frame to its receipt. */
  readonly latenciesMs: number[] = [];
  failure: Error | undefined;
  readonly #homes: readonly LiveHome[];
  #timer: NodeJS.Timeout | undefined;
  #next = 0;

  constructor(community: string, boxes: readonly SealingBox[]) {
    this.#homes = boxes.map((box, at) => {
      const { frame, answer } = topics(community, box.home);
      const sealed = { home: box.home, answerTopic: answer, messages: [], packets: [] };
      return { box, meter: new StreetMeter(at), frameTopic: frame, sealed, sentAtMs: [], line: undefined };
    });
  }

  /** What was sent and what came back, for the check of the receipts. */
  get exchanged() {
    return this.#homes.map(({ sealed, line }) => ({ sealed, sent: line?.sent ?? 0, answers: line?.answers ?? [] }));
  }

  async connect(host: string, port: number): Promise<void> {
    await Promise.all(this.#homes.map((home) => this.#open(home, host, port)));
  }

  /** From now on frames leave at their times, whatever has become of those before. */
  begin(): void {
    this.#timer = setInterval(() => {
      const home = this.#homes[this.#next % this.#homes.length]!;
      this.#next += 1;
      sendFresh(home);
    }, FRAME_EVERY_MS / this.#homes.length);
  }

  /** Sends no more and waits for the receipts of what was sent. */
  async rest(): Promise<void> {
    clearInterval(this.#timer);
    await until('every live frame has its receipt', ANSWERED_WITHIN_MS, () => {
      if (this.failure !== undefined) throw this.failure;
      return this.#homes.every(({ sentAtMs }) => sentAtMs.length === 0);
    });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { line } of this.#homes) line?.close();
  }

  #open(home: LiveHome, host: string, port: number): Promise<void> {
    const { answerTopic, packets } = home.sealed;
    home.line = new GatewayLine({
      ...{ host, port, answerTopic, packets, clientId: home.box.home },
      // The answers of a home come in the order of its frames.
      onAnswer: (_, atMs) => this.latenciesMs.push(atMs - home.sentAtMs.shift()!),
      onTrouble: (error) => {
        this.failure ??= error;
      },
    });
    return home.line.open();
  }
}

function sendFresh({ box, meter, frameTopic, sealed, sentAtMs, line }: LiveHome): void {
  const startS = Math.floor(Date.now() / 1_000);
  const message = box.next(meter.frame({ startS, stepS: FRAME_EVERY_MS / 1_000, instants: 1, quantities: QUANTITIES }));
  sealed.messages.push(message);
  sealed.packets.push(publishPacket(sealed.messages.length, frameTopic, message));
  sentAtMs.push(performance.now());
  line!.sendNext(sealed.messages.length);
}
