/** The HTTP API over a street, injected or on a real socket. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { createHttpApp, type HttpAppOptions } from '../../src/adapters/http/app.js';
import type { LedgerStreet } from './ledger-street.js';

export const TOKEN = 'a-token-of-the-operator';
export const BEARER = { authorization: `Bearer ${TOKEN}` };

export interface HttpService {
  readonly app: FastifyInstance;
  /** What the service says is its own fault. */
  readonly faults: unknown[];
}

export function httpService(street: LedgerStreet, options: Partial<HttpAppOptions> = {}): HttpService {
  const faults: unknown[] = [];
  const { entries, store, clock, hasher } = street;
  const onFault = (error: unknown) => faults.push(error);
  const base = { entries, store, clock, hasher, token: TOKEN, bind: '127.0.0.1', version: '0.1.0', onFault };
  return { app: createHttpApp({ ...base, ...options }), faults };
}

/** Listens on a free port; gives the port. */
export async function listen(app: FastifyInstance, host = '127.0.0.1'): Promise<number> {
  await app.listen({ host, port: 0 });
  return (app.server.address() as AddressInfo).port;
}

export function problemCode(body: string): string | undefined {
  const problem: unknown = JSON.parse(body);
  return typeof problem === 'object' && problem !== null && 'code' in problem ? String(problem.code) : undefined;
}
