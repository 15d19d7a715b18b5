/** The log, for everybody: heads, leaves, proofs. And the one door for signed entries. */
import { fromBase64, toBase64, toHex } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { Type } from 'typebox';
import {
  checkpointOf,
  DEFAULT_PAGE_ITEMS,
  type EntryProof,
  type EntryView,
  findEntry,
  listEntries,
  MAX_ENTRIES_A_PAGE,
  newestCheckpoint,
  noteText,
  proveEntry,
} from '../../../usecases/queries/index.js';
import { type HttpApp, type HttpContext, readerOf, type SignedEntry } from '../context.js';
import { refusingRequest, withoutGaps } from '../format.js';
import { IdempotencyHeaders, idempotencyKeyOf } from '../idempotency.js';
import { answers, Base64, CommunityParams, exactly, Hex, Id, Index, PROBLEMS, pageSchema, Size } from '../schemas.js';

/** Entries of one request; each is below 65,536 bytes. */
const MAX_SUBMITTED = 64;
const MAX_COSE_BASE64 = 87_384;
/** All that a request of the largest entries needs. */
export const BODY_LIMIT_BYTES = 6 * 1024 * 1024;

/** In one spelling with the other words of the API: `gateway_epoch`. */
const KIND_WORDS = new Map<number, string>(
  Object.entries(KIND).map(([name, kind]) => [kind, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]),
);
const kindWord = (kind: number): string => KIND_WORDS.get(kind) ?? String(kind);

const EntrySchema = Type.Object({
  index: Index,
  kind: Type.Integer(),
  kind_name: Type.String(),
  leaf: Base64,
});

const ProofSchema = Type.Object({
  index: Index,
  size: Size,
  leaf_hash: Hex,
  path: Type.Array(Hex, { description: 'Siblings from the leaf upwards (RFC 9162 2.1.3)' }),
  root: Hex,
  checkpoint: Type.String({ description: 'The signed note that names this size and root' }),
});

const NOTE_TYPE = 'text/plain; charset=utf-8';
const EntryParams = exactly({ community: Id, index: Index });
const tags = ['log'];

export function logRoutes(app: HttpApp, context: HttpContext): void {
  checkpointRoutes(app, context);
  entryRoutes(app, context);
  submitRoute(app, context);
}

function checkpointRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/log/checkpoint',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'The newest signed checkpoint: a C2SP note, as text',
        params: CommunityParams,
        produces: ['text/plain'],
        response: answers(Type.String()),
      },
    },
    async (request, reply) => {
      const head = await newestCheckpoint(await readerOf(context, request));
      return reply.type(NOTE_TYPE).send(noteText(head));
    },
  );
  app.get(
    '/communities/:community/log/checkpoints/:size',
    {
      config: { access: 'public', changes: 'never' },
      schema: {
        tags,
        summary: 'The signed checkpoint of one size, where the log had that size after a commit',
        params: exactly({ community: Id, size: Size }),
        produces: ['text/plain'],
        response: answers(Type.String()),
      },
    },
    async (request, reply) => {
      const head = await checkpointOf(await readerOf(context, request), request.params.size);
      return reply.type(NOTE_TYPE).send(noteText(head));
    },
  );
}

function entryRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/log/entries',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Entries of the log, as their leaves stand in it',
        params: CommunityParams,
        querystring: exactly({
          from: Type.Optional({ ...Index, default: 0, description: 'The first index' }),
          after: Type.Optional({ ...Index, description: 'The `next` of the page before' }),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_ENTRIES_A_PAGE, default: DEFAULT_PAGE_ITEMS })),
        }),
        response: answers(pageSchema(EntrySchema, { size: Size })),
      },
    },
    async (request) => {
      const { after, limit = DEFAULT_PAGE_ITEMS } = request.query;
      const from = after ?? request.query.from ?? 0;
      const { items, size, nextIndex } = await listEntries(await readerOf(context, request), { from, limit });
      const next = nextIndex === undefined ? undefined : String(nextIndex);
      return withoutGaps({ size, items: items.map(entryJson), next });
    },
  );
  app.get(
    '/communities/:community/log/entries/:index',
    {
      config: { access: 'public', changes: 'never' },
      schema: { tags, summary: 'One entry of the log', params: EntryParams, response: answers(EntrySchema) },
    },
    async (request) => entryJson(await findEntry(await readerOf(context, request), request.params.index)),
  );
  app.get(
    '/communities/:community/log/entries/:index/proof',
    {
      config: { access: 'public', changes: ({ size }) => (size === undefined ? 'with-log' : 'never') },
      schema: {
        tags,
        summary: 'Proof that an entry is in the log, against the newest checkpoint or one that was signed before',
        params: EntryParams,
        querystring: exactly({ size: Type.Optional(Size) }),
        response: answers(ProofSchema),
      },
    },
    async (request) => {
      const { index } = request.params;
      const claim = withoutGaps({ index, size: request.query.size });
      return proofJson(await proveEntry(await readerOf(context, request), context.hasher, claim));
    },
  );
}

function submitRoute(app: HttpApp, context: HttpContext): void {
  app.post(
    '/communities/:community/entries',
    {
      config: { access: 'operator' },
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        tags,
        summary:
          'Takes entries that the operator signed: party (1), device (2), device revoked (3), gateway epoch (4), rules (8)',
        description: 'All of them or none, in this order. The token lets them in; the signature is what counts.',
        params: CommunityParams,
        headers: IdempotencyHeaders,
        body: exactly({
          entries: Type.Array(
            exactly({
              kind: Type.Enum([1, 2, 3, 4, 8]),
              cose: Type.String({ minLength: 4, maxLength: MAX_COSE_BASE64, description: 'COSE_Sign1 in Base64' }),
            }),
            { minItems: 1, maxItems: MAX_SUBMITTED },
          ),
        }),
        response: {
          201: Type.Object({ indices: Type.Array(Index) }),
          ...PROBLEMS,
        },
      },
    },
    async (request, reply) => {
      await readerOf(context, request);
      const key = idempotencyKeyOf(request);
      const entries = request.body.entries.map((entry, i): SignedEntry => {
        const cose = refusingRequest(`entries[${i}].cose`, () => fromBase64(entry.cose));
        return { kind: entry.kind, cose };
      });
      const { community } = request.params;
      const { indices, isRepeat } = await context.entries.submit({ community, entries, key });
      if (isRepeat) reply.header('idempotency-replayed', 'true');
      return reply.status(201).send({ indices: [...indices] });
    },
  );
}

function entryJson({ index, kind, leafData }: EntryView) {
  return { index, kind, kind_name: kindWord(kind), leaf: toBase64(leafData) };
}

function proofJson({ index, leafHash, path, head }: EntryProof) {
  return {
    index,
    size: head.size,
    leaf_hash: toHex(leafHash),
    path: path.map(toHex),
    root: toHex(head.root),
    checkpoint: noteText(head),
  };
}
