/** Every request has an id, and whoever watches hears how each was answered: by route and code, never by what it said. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { LedgerErrorCode } from '../../core/errors.js';
import type { HttpApp } from './context.js';

/** What is told of a request. Addresses and bodies may carry names; they are not in here. */
export interface AnsweredRequest {
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern, `/v1/communities/:community`; empty where there is none. */
  readonly route: string;
  readonly status: number;
  readonly tookMs: number;
  /** Of a problem. */
  readonly code?: LedgerErrorCode;
  /** What was thrown, where it is the service's own fault. */
  readonly fault?: unknown;
}

export type OnAnswer = (answer: AnsweredRequest) => void;

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Untrusted: the caller's own id where it is well formed, else one that is drawn. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const sent = headers['x-request-id'];
  return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID();
}

export function observeRequests(app: HttpApp, onAnswer: OnAnswer): void {
  app.decorateRequest('problemCode', undefined);
  app.decorateRequest('fault', undefined);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const { id, method, problemCode, fault, routeOptions } = request;
    onAnswer({
      requestId: id,
      method,
      route: routeOptions.url ?? '',
      status: reply.statusCode,
      tookMs: reply.elapsedTime,
      ...(problemCode === undefined ? {} : { code: problemCode }),
      ...(fault === undefined ? {} : { fault }),
    });
  });
}
