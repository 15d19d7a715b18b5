/**
 * Conditional requests (RFC 9110 section 13) and what caches may keep. A tag is a hash of the body, so it is strong whatever
 * happens to the log meanwhile; where the answer depends on nothing but the log and the question, a tag that was given out
 * at this size of the log is recognised without making the answer again.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LedgerStore } from '../../usecases/ports.js';
import type { HttpApp } from './context.js';

/** When an answer to the same question by the same asker may become another one. */
export type Changes = 'with-log' | 'freely' | 'never';

/** Answers whose tag is known by heart; beyond it the one longest not asked for is forgotten, which costs only time. */
const MAX_KNOWN_TAGS = 2048;
const MAX_KNOWN_URL_LENGTH = 512;
/** Of a SHA-256: far more than is needed where nobody gains by a collision but the asker. */
const TAG_BYTES = 16;

const LASTING = 'public, max-age=31536000, immutable';
const ASK_AGAIN = 'public, no-cache';
const PERSONAL = 'private, no-store';

/** Answers `If-None-Match` on every GET and HEAD of a route whose `config.changes` is set. */
export function answerConditionally(app: HttpApp, store: Pick<LedgerStore, 'size'>): void {
  const known = new KnownTags();
  app.decorateRequest('sizeBefore', undefined);
  app.addHook('preHandler', async (request, reply) => {
    const changes = changesOf(request);
    if (changes === undefined) return;
    request.sizeBefore = await sizeFor(request, changes, store);
    // A HEAD tells the length of the body, so that has to be made.
    if (request.method !== 'GET' || request.sizeBefore === undefined) return;
    const tag = known.get(request, request.sizeBefore);
    if (tag === undefined || !isMatched(request, tag)) return;
    setValidators(request, reply, { tag, changes });
    return reply.code(304).send();
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const changes = changesOf(request);
    if (changes === undefined || reply.statusCode !== 200 || typeof payload !== 'string') return payload;
    const tag = tagOf(payload);
    setValidators(request, reply, { tag, changes });
    // A log that grew while the answer was made never has that size again: its tag is not looked for.
    if (request.sizeBefore !== undefined) known.set(request, request.sizeBefore, tag);
    if (!isMatched(request, tag)) return payload;
    reply.code(304).removeHeader('content-type');
    return request.method === 'HEAD' ? payload : null;
  });
}

function changesOf({ method, routeOptions, query }: FastifyRequest): Changes | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const { changes } = routeOptions.config;
  return typeof changes === 'function' ? changes(query as Readonly<Record<string, unknown>>) : changes;
}

/** What an answer hangs on: the log's size; one and the same where it never changes; undefined where nothing tells. */
async function sizeFor(
  { params, routeOptions }: FastifyRequest,
  changes: Changes,
  store: Pick<LedgerStore, 'size'>,
): Promise<number | undefined> {
  const { community } = params as { community?: string };
  if (changes === 'freely' || community === undefined) return undefined;
  // What is shown of members ends with an erasure, which is an entry of the log.
  return changes === 'never' && routeOptions.config.showsMembers !== true ? 0 : store.size(community);
}

function setValidators(
  request: FastifyRequest,
  reply: FastifyReply,
  { tag, changes }: { tag: string; changes: Changes },
): void {
  const { access, showsMembers = false } = request.routeOptions.config;
  const isPersonal = access !== 'public' || (showsMembers && request.asker.mayReadMembers);
  reply.header('etag', tag);
  if (showsMembers) reply.header('vary', 'authorization');
  reply.header('cache-control', isPersonal ? PERSONAL : changes === 'never' ? LASTING : ASK_AGAIN);
}

function tagOf(body: string): string {
  return `"${createHash('sha256').update(body).digest().subarray(0, TAG_BYTES).toString('base64url')}"`;
}

const TAGS = /"[\x21\x23-\x7e\x80-\xff]*"/g;

/** Untrusted. RFC 9110 13.1.2: a weak tag matches as well, and `*` matches whatever there is. */
function isMatched({ headers }: FastifyRequest, tag: string): boolean {
  const asked = headers['if-none-match'];
  if (asked === undefined) return false;
  return asked.trim() === '*' || (asked.match(TAGS)?.includes(tag) ?? false);
}

/** Tags of the answers that were asked for last, each with the size of the log it was given out at. */
class KnownTags {
  readonly #tags = new Map<string, { readonly size: number; readonly tag: string }>();

  get(request: FastifyRequest, size: number): string | undefined {
    const id = idOf(request);
    const known = this.#tags.get(id);
    if (known === undefined || known.size !== size) return undefined;
    this.#tags.delete(id);
    this.#tags.set(id, known);
    return known.tag;
  }

  set(request: FastifyRequest, size: number, tag: string): void {
    if (request.url.length > MAX_KNOWN_URL_LENGTH) return;
    const id = idOf(request);
    this.#tags.delete(id);
    this.#tags.set(id, { size, tag });
    const [oldest] = this.#tags.keys();
    if (this.#tags.size > MAX_KNOWN_TAGS && oldest !== undefined) this.#tags.delete(oldest);
  }
}

/** Who may see members' data sees another answer. */
function idOf({ asker, url }: FastifyRequest): string {
  return `${asker.mayReadMembers ? 'all' : 'open'} ${url}`;
}
