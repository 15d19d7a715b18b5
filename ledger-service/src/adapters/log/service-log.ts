/**
 * What the service writes down: one JSON object a line. Requests are told by route and code, frames by gateway and verdict;
 * no address, no body, no name, no key. At `info` everything that was refused, failed or written is a line, at `debug`
 * everything else as well.
 */
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { describeError } from './describe-error.js';
import type { LogLevel } from './levels.js';
import { LineBudget } from './line-budget.js';
import { scrubber } from './scrub.js';

export interface ServiceLogOptions {
  readonly level: LogLevel;
  readonly destination: { write(line: string): unknown };
  /** Must not stand in any line: the operator's token. */
  readonly secrets: readonly string[];
  /** Real time in milliseconds, from any origin. */
  readonly monotonicMs: () => number;
}

interface Answered {
  readonly requestId: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly tookMs: number;
  readonly code?: string;
  readonly fault?: unknown;
}

interface Refused {
  readonly community: string;
  readonly refusals: readonly { readonly gateway: string; readonly verdict: string }[];
}

/** A level, and a budget of its own for lines that others can provoke. */
interface Sort {
  readonly level: 'error' | 'warn' | 'info';
  readonly budget: LineBudget;
}

export class ServiceLog {
  readonly #pino: Logger;
  readonly #requests: Sort;
  readonly #frames: Sort;
  readonly #faults: Sort;
  readonly #troubles: Sort;

  constructor({ level, destination, secrets, monotonicMs }: ServiceLogOptions) {
    this.#pino = pino(
      {
        level,
        base: null,
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        hooks: { streamWrite: scrubber(secrets) },
      },
      { write: (line) => void destination.write(line) },
    );
    this.#requests = { level: 'info', budget: new LineBudget(monotonicMs) };
    this.#frames = { level: 'info', budget: new LineBudget(monotonicMs) };
    this.#faults = { level: 'error', budget: new LineBudget(monotonicMs) };
    this.#troubles = { level: 'warn', budget: new LineBudget(monotonicMs) };
  }

  /** Something of the service's own course: it began, it stops. */
  info(message: string, fields: object = {}): void {
    this.#pino.info(fields, message);
  }

  /** A part of the service has a difficulty and goes on. */
  trouble(message: string): void {
    this.#write(this.#troubles, message, {});
  }

  /** A request has its answer. */
  answered({ requestId, method, route, status, tookMs, code, fault }: Answered): void {
    const request = { request: requestId, method, route, status, ...(code && { code }), ms: Math.round(tookMs) };
    if (status >= 500) {
      const error = fault === undefined ? {} : { error: describeError(fault) };
      this.#write(this.#faults, 'request failed', { ...request, ...error });
    } else if (status >= 400) this.#write(this.#requests, 'request refused', request);
    else if (status === 201) this.#pino.info(request, 'written');
    else this.#pino.debug(request, 'answered');
  }

  /** Frames have their answers. */
  framesDecided(
    decided: Refused & {
      readonly frames: number;
      readonly accepted: number;
      readonly duplicate: number;
      tookMs: number;
    },
  ): void {
    const { community, frames, accepted, duplicate, tookMs } = decided;
    if (this.#pino.isLevelEnabled('debug')) {
      this.#pino.debug({ community, frames, accepted, duplicate, ms: Math.round(tookMs) }, 'frames decided');
    }
    this.#refused('frame refused', decided);
  }

  eventDecided(decided: Refused): void {
    this.#refused('event refused', decided);
  }

  messageDropped(dropped: {
    readonly community: string;
    readonly gateway: string;
    readonly kind: string;
    readonly error: unknown;
  }): void {
    const { community, gateway, kind, error } = dropped;
    this.#write(this.#faults, 'message dropped', { community, gateway, kind, error: describeError(error) });
  }

  #refused(message: string, { community, refusals }: Refused): void {
    for (const { gateway, verdict } of refusals) {
      // Frames that overtook others wait for them, and are decided then.
      if (verdict === 'gap') this.#pino.debug({ community, gateway }, 'frame waits');
      else this.#write(this.#frames, message, { community, gateway, code: verdict });
    }
  }

  #write({ level, budget }: Sort, message: string, fields: object): void {
    if (!this.#pino.isLevelEnabled(level)) return;
    const { isWritten, leftOut } = budget.take();
    if (leftOut > 0) this.#pino[level]({ count: leftOut }, 'lines left out');
    if (isWritten) this.#pino[level](fields, message);
  }
}
