/** Building blocks of the API's schemas: what a stranger may send, and what comes back. */
import { type TObject, type TProperties, type TSchema, Type } from 'typebox';
import { DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS, type PageRequest } from '../../usecases/queries/index.js';

/** PROTOCOL 1.3: ids of communities, homes, members, gateways and meters. */
const ID = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';
/** Twelve digits: the width of the store's keys. */
const MAX_INDEX = 999_999_999_999;
const MAX_INSTANT_TEXT = 40;

/** Only the fields that are named. */
export function exactly<P extends TProperties>(properties: P, description?: string) {
  return Type.Object(properties, { additionalProperties: false, ...(description ? { description } : {}) });
}

export const Id = Type.String({ pattern: ID });
export const Hex = Type.String({ pattern: '^[0-9a-f]*$' });
export const Base64 = Type.String({ description: 'Base64 with padding (RFC 4648 section 4)' });
export const Instant = Type.String({ description: 'ISO 8601, UTC', examples: ['2024-06-01T10:15:00Z'] });
export const Kwh = Type.String({ description: 'kWh with six decimals', examples: ['1.250000'] });
export const KwhOrUnknown = Type.Union([Kwh, Type.Null()], { description: 'null: not known' });
export const Credits = Type.String({ description: 'Credits with six decimals; plus: owed to the member' });
export const Count = Type.Integer({ minimum: 0 });
export const Index = Type.Integer({ minimum: 0, maximum: MAX_INDEX, description: 'Index in the log, from 0' });
export const Size = Type.Integer({ minimum: 0, maximum: MAX_INDEX, description: 'Number of entries in the log' });

export const InstantParameter = Type.String({
  maxLength: MAX_INSTANT_TEXT,
  description: 'YYYY-MM-DDTHH:MM:SSZ, or UTC seconds',
});
export const BoundParameter = Type.String({
  maxLength: MAX_INSTANT_TEXT,
  description: "YYYY-MM-DDTHH:MM:SSZ, or UTC seconds, or a day YYYY-MM-DD of the community's time zone",
});

export const CommunityParams = exactly({ community: Id });

const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE_ITEMS, default: DEFAULT_PAGE_ITEMS }));

export const PageQuery = exactly({
  after: Type.Optional(Type.String({ maxLength: 128, description: 'The `next` of the page before' })),
  limit,
});

/** Of a list inside an answer, which is mostly read as a whole. */
export const InnerPageQuery = exactly({
  after: PageQuery.properties.after,
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE_ITEMS, default: MAX_PAGE_ITEMS })),
});

export const Next = Type.Optional(Type.String({ description: 'Cursor of the next page; absent on the last' }));

/** The page that is asked for; validation has filled the default in already, but the types do not know. */
export function pageRequest(
  { after, limit }: { after?: string; limit?: number },
  otherwise = DEFAULT_PAGE_ITEMS,
): PageRequest {
  return { ...(after === undefined ? {} : { after }), limit: limit ?? otherwise };
}

/** A page of a list, with whatever stands beside the items. */
export function pageSchema<Item extends TSchema, Beside extends TProperties = Record<never, never>>(
  item: Item,
  beside?: Beside,
) {
  return Type.Object({
    ...(beside as Beside),
    items: Type.Array(item),
    next: Next,
  });
}

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Where docs/ERRORS.md explains it' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What, expected, got' }),
    code: Type.String({ description: 'For programs: one of a closed list' }),
  },
  { description: 'RFC 9457' },
);

const Problems = {
  description: 'A problem (RFC 9457)',
  content: { 'application/problem+json': { schema: ProblemSchema } },
};

/** What every route can say when it does not go well. */
export const PROBLEMS = { '4xx': Problems, '5xx': Problems };

/** The schemas of a route's answers. */
export function answers<Ok extends TSchema>(ok: Ok) {
  return { 200: ok, ...PROBLEMS };
}

/** The names of a schema's fields, those of what it holds too. */
export function fieldNames(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties, items } = schema as { properties?: Partial<TObject['properties']>; items?: unknown };
  const own = Object.entries(properties ?? {}).flatMap(([name, field]) => [name, ...fieldNames(field)]);
  return [...own, ...fieldNames(items)];
}
