/** What the routes are handed, and the types that fastify and TypeBox agree on. */

import { setImmediate } from 'node:timers/promises';
import type { Hasher } from '@commonwatt/firmware-protocol';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Clock, LedgerStore } from '../../usecases/ports.js';
import type { Probe } from '../../usecases/queries/index.js';
import { CommunityReader } from '../../usecases/queries/index.js';
import type { Access, Asker } from './access.js';

/** Where signed entries go in: `Ledger` of the use cases fits. */
export interface EntryDoor {
  /** Rejects with LedgerError 'not-found'. */
  community(id: string): Promise<{
    submit(signed: readonly SignedEntry[]): Promise<{ readonly indices: readonly number[] }>;
  }>;
}

/** Untrusted until the ledger has checked the signature. */
export interface SignedEntry {
  readonly kind: 1 | 2 | 3 | 8;
  readonly cose: Uint8Array;
}

export interface HttpContext {
  readonly ledger: EntryDoor;
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly hasher: Hasher;
  readonly version: string;
  readonly probes: readonly Probe[];
  readonly onFault: (error: unknown) => void;
}

export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Routes that say nothing are closed to all but the operator. */
    access?: Access;
  }
  interface FastifyRequest {
    asker: Asker;
  }
}

/** The community of the path. Throws 'not-found'. */
export function readerOf({ store }: HttpContext, request: { readonly params: { readonly community: string } }) {
  return CommunityReader.open(store, request.params.community, async () => setImmediate());
}

export function mayReadMembers(request: FastifyRequest): boolean {
  return request.asker.mayReadMembers;
}
