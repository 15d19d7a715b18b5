import { SendWindow } from '@commonwatt/gateway/dist/core/send-window.js';
import type { GatewayLine } from './gateway-line.js';

/** Keeps a line's frames on the way: always so many, or as many as a box would. */
export class Sender {
  readonly #line: GatewayLine;
  readonly #limit: number;
  readonly #window: SendWindow | { readonly size: number };
  /** When each frame left that has no answer; answers come in the order of the frames. */
  readonly #sentAtMs: number[] = [];

  constructor(line: GatewayLine, window: number | 'box', limit: number) {
    this.#line = line;
    this.#limit = limit;
    this.#window = window === 'box' ? new SendWindow() : { size: window };
  }

  /** Sends until the window is full or all frames have left. */
  fill(): void {
    while (this.#sentAtMs.length < this.#window.size && this.#line.sendNext(this.#limit)) {
      this.#sentAtMs.push(performance.now());
    }
  }

  answered(atMs: number): void {
    const sentAtMs = this.#sentAtMs.shift();
    if (this.#window instanceof SendWindow && sentAtMs !== undefined) this.#window.answered(sentAtMs, atMs);
    this.fill();
  }
}
