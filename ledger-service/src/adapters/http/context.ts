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
import type { LedgerErrorCode } from '../../core/errors.js';
import type { Clock, LedgerStore } from '../../usecases/ports.js';
import type { Probe } from '../../usecases/queries/index.js';
import { CommunityReader } from '../../usecases/queries/index.js';
import type { Access, Asker } from './access.js';
import type { Changes } from './conditional.js';
import type { OnAnswer } from './observing.js';

/** Where signed entries go in: `SubmitOnce` of the use cases fits. */
export interface EntryDoor {
  /** Rejects with LedgerError, 'not-found' for a community that there is not. */
  submit(submission: {
    readonly community: string;
    readonly entries: readonly SignedEntry[];
    readonly key?: string | undefined;
  }): Promise<{ readonly indices: readonly number[]; readonly isRepeat: boolean }>;
}

/** Untrusted until the ledger has checked the signature. */
export interface SignedEntry {
  readonly kind: 1 | 2 | 3 | 4 | 8;
  readonly cose: Uint8Array;
}

/** What `/metrics` answers with. */
export interface MetricsPage {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface HttpContext {
  readonly entries: EntryDoor;
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly hasher: Hasher;
  readonly version: string;
  readonly probes: readonly Probe[];
  readonly heldIntervals?: (() => ReadonlyMap<string, number>) | undefined;
  readonly metrics?: MetricsPage | undefined;
  readonly onFault: (error: unknown) => void;
  readonly onAnswer: OnAnswer;
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
    /** Of a GET: when its answer may become another one. Without it nothing is kept anywhere. */
    changes?: Changes | ((query: Readonly<Record<string, unknown>>) => Changes);
    /** Public, but who may see members' data is shown more. */
    showsMembers?: boolean;
  }
  interface FastifyRequest {
    asker: Asker;
    /** The log's size before the answer was made, where the answer hangs on it. */
    sizeBefore: number | undefined;
    problemCode: LedgerErrorCode | undefined;
    /** What was thrown where it is the service's own fault. */
    fault: unknown;
  }
}

/** The community of the path. Throws 'not-found'. */
export function readerOf({ store }: HttpContext, request: { readonly params: { readonly community: string } }) {
  return CommunityReader.open(store, request.params.community, async () => setImmediate());
}

export function mayReadMembers(request: FastifyRequest): boolean {
  return request.asker.mayReadMembers;
}
