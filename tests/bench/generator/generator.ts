/** The process that plays hundreds of gateways: seals frames first, then sends them over as many MQTT connections. */
import { cpuSecondsOf } from '../support/process-cpu.js';
import { checkReceipts, type SealedHome, sealAll } from './frame-store.js';
import { GatewayLine } from './gateway-line.js';
import type {
  FlowDone,
  GeneratorPlan,
  GeneratorRequest,
  GeneratorResults,
  SteadyDone,
  WatchedProcess,
} from './messages.js';
import { Sender } from './sender.js';

/** No receipt for so long: the run is broken. */
const SILENCE_MS = 60_000;
const CONNECTING_AT_ONCE = 50;

class Generator {
  #plan: GeneratorPlan | undefined;
  #homes: readonly SealedHome[] = [];
  #lines: readonly GatewayLine[] = [];
  #onAnswer: (line: GatewayLine, atMs: number) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  async serve(request: GeneratorRequest): Promise<GeneratorResults[keyof GeneratorResults]> {
    switch (request.do) {
      case 'seal':
        return this.#seal(request.plan);
      case 'connect':
        return this.#connect(request);
      case 'flow':
        return this.#flow(request);
      case 'steady':
        return this.#steady(request);
      case 'check':
        return this.#check();
    }
  }

  #seal(plan: GeneratorPlan) {
    this.#plan = plan;
    this.#homes = sealAll(plan);
    const messages = this.#homes.flatMap((home) => home.messages);
    return { frames: messages.length, bytes: messages.reduce((sum, message) => sum + message.length, 0) };
  }

  async #connect({ host, port }: { host: string; port: number }): Promise<null> {
    this.#lines = this.#homes.map(
      ({ home, answerTopic, packets }) =>
        new GatewayLine({
          ...{ host, port, clientId: home, answerTopic, packets },
          onAnswer: (line, atMs) => this.#onAnswer(line, atMs),
          onTrouble: (error) => this.#fail(error),
        }),
    );
    for (let from = 0; from < this.#lines.length; from += CONNECTING_AT_ONCE) {
      await Promise.all(this.#lines.slice(from, from + CONNECTING_AT_ONCE).map((line) => line.open()));
    }
    return null;
  }

  /** Closed loop: each home has `window` frames on the way, and sends on with each receipt. */
  #flow({ framesAHome, window, skip, watched }: Extract<GeneratorRequest, { do: 'flow' }>): Promise<FlowDone> {
    const total = this.#lines.reduce((sum, line) => sum + Math.max(0, framesAHome - line.sent), 0);
    let receipts = 0;
    let before: Reading | undefined;
    const senders = new Map(this.#lines.map((line) => [line, new Sender(line, window, framesAHome)]));
    return this.#untilDone((done) => {
      this.#onAnswer = (line, atMs) => {
        receipts += 1;
        if (receipts === skip) before = readAll(watched);
        senders.get(line)!.answered(atMs);
        if (receipts === total) done(flowDone(total - skip, before!, readAll(watched)));
      };
      if (skip === 0) before = readAll(watched);
      for (const sender of senders.values()) sender.fill();
    });
  }

  /** Open loop: frames leave at their instants, whatever has become of those before. */
  #steady({ framesAHome, framesPerS }: Extract<GeneratorRequest, { do: 'steady' }>): Promise<SteadyDone> {
    const lines = this.#lines;
    const total = lines.reduce((sum, line) => sum + Math.max(0, framesAHome - line.sent), 0);
    const dueMs = new Map(lines.map((line) => [line, [] as number[]]));
    const latenciesMs: number[] = [];
    return this.#untilDone((done) => {
      const startMs = performance.now();
      let sent = 0;
      let worstLagMs = 0;
      this.#onAnswer = (line, atMs) => {
        // The answers of a home come in the order of its frames.
        latenciesMs.push(atMs - dueMs.get(line)!.shift()!);
        if (latenciesMs.length < total) return;
        clearInterval(timer);
        const seconds = (performance.now() - startMs) / 1_000;
        done({ frames: total, seconds, offeredPerS: framesPerS, latenciesMs, worstLagMs });
      };
      const timer = setInterval(() => {
        for (; sent < total; sent++) {
          const atMs = startMs + (sent * 1_000) / framesPerS;
          const lagMs = performance.now() - atMs;
          if (lagMs < 0) break;
          worstLagMs = Math.max(worstLagMs, lagMs);
          const line = lines[sent % lines.length]!;
          dueMs.get(line)!.push(atMs);
          line.sendNext(framesAHome);
        }
      }, 1);
    });
  }

  #check() {
    const homes = this.#homes.map((sealed, at) => {
      const { sent, answers } = this.#lines[at]!;
      return { sealed, sent, answers };
    });
    return checkReceipts(this.#plan!, homes);
  }

  /** Rejects when a connection breaks, or when nothing comes any more. */
  #untilDone<T>(begin: (done: (result: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let answered = -1;
      const silence = setInterval(() => {
        const now = this.#lines.reduce((sum, line) => sum + line.answers.length, 0);
        if (now === answered) this.#fail(new Error(`no receipt for ${SILENCE_MS / 1_000} s; ${now} came before`));
        answered = now;
      }, SILENCE_MS);
      const settle = (end: () => void) => {
        clearInterval(silence);
        end();
      };
      this.#fail = (error) => settle(() => reject(error));
      begin((result) => settle(() => resolve(result)));
    });
  }
}

interface Reading {
  readonly atUs: number;
  readonly cpuSeconds: Readonly<Record<string, number>>;
}

function readAll(watched: readonly WatchedProcess[]): Reading {
  const all = [...watched, { name: 'generator', pid: process.pid }];
  const cpuSeconds = Object.fromEntries(all.map(({ name, pid }) => [name, cpuSecondsOf(pid)]));
  return { atUs: Number(process.hrtime.bigint() / 1_000n), cpuSeconds };
}

function flowDone(frames: number, before: Reading, after: Reading): FlowDone {
  const seconds = (after.atUs - before.atUs) / 1e6;
  const cpuSeconds = Object.fromEntries(
    Object.entries(after.cpuSeconds).map(([name, used]) => [name, used - before.cpuSeconds[name]!]),
  );
  return { frames, seconds, framesPerS: frames / seconds, cpuSeconds, fromUs: before.atUs, untilUs: after.atUs };
}

const generator = new Generator();
process.on('message', (request: GeneratorRequest) => {
  generator.serve(request).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ failed: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
