/** Intervals and their settlements. Lines are for who may read members' data; totals for all where many enough. */
import { formatCredits, formatKwh } from '@commonwatt/firmware-protocol';
import { Type } from 'typebox';
import type { SettlementLine, SettlementTotals } from '../../../core/records/index.js';
import {
  DEFAULT_PAGE_ITEMS,
  findInterval,
  type IntervalSummary,
  type IntervalView,
  listIntervals,
  listVersions,
  MAX_PAGE_ITEMS,
  newestSettlement,
  type SettlementShell,
  type SettlementView,
  settlementVersion,
} from '../../../usecases/queries/index.js';
import { type HttpApp, type HttpContext, mayReadMembers, readerOf } from '../context.js';
import { isoOf, parseInstantS, qualityWord, quantityWord, reasonWord, withoutGaps } from '../format.js';
import {
  answers,
  CommunityParams,
  Count,
  Credits,
  exactly,
  Id,
  Index,
  InnerPageQuery,
  Instant,
  InstantParameter,
  Kwh,
  Next,
  PageQuery,
  pageRequest,
  pageSchema,
} from '../schemas.js';

const shell = {
  start: Instant,
  version: Count,
  index: Index,
  reason: Type.String({ description: 'complete, timeout, late, correction, rules or grace' }),
  rules_index: Index,
  previous_index: Type.Optional(Index),
  final: Type.Boolean(),
};
const ShellSchema = Type.Object(shell);

const LineSchema = Type.Object({
  member: Id,
  meter: Type.Optional(Id),
  need_kwh: Kwh,
  offer_kwh: Kwh,
  received_kwh: Kwh,
  delivered_kwh: Kwh,
  credits: Credits,
  quality: Type.String(),
});

const TotalsSchema = Type.Object({
  units: Count,
  need_kwh: Kwh,
  offer_kwh: Kwh,
  shared_kwh: Kwh,
  paid: Credits,
  levy: Credits,
});

const settlement = {
  ...shell,
  totals: Type.Optional(TotalsSchema),
  lines: Type.Optional(Type.Array(LineSchema, { description: 'By member, then by meter' })),
  next: Next,
};
const RecentVersions = Type.Array(ShellSchema, {
  description: 'The newest 100, oldest first; `/versions` has them all',
});

const IntervalSchema = Type.Object({
  start: Instant,
  end: Instant,
  energies: Type.Array(
    Type.Object({
      meter: Id,
      member: Id,
      quantity: Type.String(),
      energy_kwh: Type.Optional(Kwh),
      quality: Type.Optional(Type.String()),
    }),
    { description: 'By meter, by what is known now; without energy_kwh where a counter lacks an edge' },
  ),
  next: Next,
  versions: RecentVersions,
});

const StartParams = exactly({ community: Id, start: InstantParameter });
const Version = Type.Integer({ minimum: 1, maximum: 999_999_999_999 });
const tags = ['settlement'];

export function settlementRoutes(app: HttpApp, context: HttpContext): void {
  intervalRoutes(app, context);
  versionRoutes(app, context);
  app.get(
    '/communities/:community/settlements/:start',
    {
      config: { access: 'public', showsMembers: true },
      schema: {
        tags,
        summary: 'Newest settlement of an interval, and its newest versions',
        description: 'Lines come in pages; a page is of the version that it names.',
        params: StartParams,
        querystring: InnerPageQuery,
        response: answers(Type.Object({ ...settlement, versions: RecentVersions })),
      },
    },
    async (request) => {
      const startS = parseInstantS(request.params.start, 'start');
      const lines = pageRequest(request.query, MAX_PAGE_ITEMS);
      const question = { startS, withLines: mayReadMembers(request), lines };
      const { newest, versions } = await newestSettlement(await readerOf(context, request), question);
      return { ...settlementJson(newest), versions: versions.map(shellJson) };
    },
  );
}

function versionRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/settlements/:start/versions',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'All versions of a settlement, oldest first',
        params: StartParams,
        querystring: exactly({
          after: Type.Optional({ ...Version, description: 'The `next` of the page before' }),
          limit: PageQuery.properties.limit,
        }),
        response: answers(pageSchema(ShellSchema)),
      },
    },
    async (request) => {
      const startS = parseInstantS(request.params.start, 'start');
      const { after, limit = DEFAULT_PAGE_ITEMS } = request.query;
      const page = withoutGaps({ after, limit });
      const { items, next } = await listVersions(await readerOf(context, request), startS, page);
      return withoutGaps({ items: items.map(shellJson), next });
    },
  );
  app.get(
    '/communities/:community/settlements/:start/versions/:version',
    {
      config: { access: 'public', showsMembers: true, changes: 'never' },
      schema: {
        tags,
        summary: 'One version of a settlement',
        params: exactly({ ...StartParams.properties, version: Version }),
        querystring: InnerPageQuery,
        response: answers(Type.Object(settlement)),
      },
    },
    async (request) => {
      const { start, version } = request.params;
      const startS = parseInstantS(start, 'start');
      const lines = pageRequest(request.query, MAX_PAGE_ITEMS);
      const question = { startS, version, withLines: mayReadMembers(request), lines };
      return settlementJson(await settlementVersion(await readerOf(context, request), question));
    },
  );
}

function intervalRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/intervals',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'Intervals of which something is known, oldest first',
        params: CommunityParams,
        querystring: exactly({
          from: Type.Optional({ ...InstantParameter, description: 'Intervals that start at or after it' }),
          to: Type.Optional({ ...InstantParameter, description: 'Intervals that start before it' }),
          after: Type.Optional(InstantParameter),
          limit: PageQuery.properties.limit,
        }),
        response: answers(
          pageSchema(Type.Object({ start: Instant, end: Instant, version: Count, final: Type.Boolean() })),
        ),
      },
    },
    async (request) => {
      const { from, to, after } = request.query;
      const range = withoutGaps({ fromS: optional(from, 'from'), toS: optional(to, 'to') });
      const { limit } = pageRequest(request.query);
      const page = withoutGaps({ after: optional(after, 'after'), limit });
      const { items, next } = await listIntervals(await readerOf(context, request), range, page);
      return withoutGaps({ items: items.map(summaryJson), next });
    },
  );
  app.get(
    '/communities/:community/intervals/:start',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'One interval: what every counter moved, and how it was settled',
        params: StartParams,
        querystring: InnerPageQuery,
        response: answers(IntervalSchema),
      },
    },
    async (request) => {
      const startS = parseInstantS(request.params.start, 'start');
      const page = pageRequest(request.query, MAX_PAGE_ITEMS);
      return intervalJson(await findInterval(await readerOf(context, request), startS, page));
    },
  );
}

function optional(text: string | undefined, name: string): number | undefined {
  return text === undefined ? undefined : parseInstantS(text, name);
}

function summaryJson({ startS, endS, version, final }: IntervalSummary) {
  return { start: isoOf(startS), end: isoOf(endS), version, final };
}

function intervalJson({ startS, endS, energies, next, versions }: IntervalView) {
  return withoutGaps({
    start: isoOf(startS),
    end: isoOf(endS),
    energies: energies.map(({ meter, member, quantity, energyMwh, quality }) =>
      withoutGaps({
        meter,
        member,
        quantity: quantityWord(quantity),
        energy_kwh: energyMwh === undefined ? undefined : formatKwh(energyMwh),
        quality: quality === undefined ? undefined : qualityWord(quality),
      }),
    ),
    next,
    versions: versions.map(shellJson),
  });
}

function settlementJson(view: SettlementView) {
  const { totals, lines, next } = view;
  return withoutGaps({
    ...shellJson(view),
    totals: totals && totalsJson(totals),
    lines: lines?.map(lineJson),
    next,
  });
}

function shellJson({ startS, version, index, reason, rulesIndex, previousIndex, isFinal }: SettlementShell) {
  return withoutGaps({
    start: isoOf(startS),
    version,
    index,
    reason: reasonWord(reason),
    rules_index: rulesIndex,
    previous_index: previousIndex,
    final: isFinal,
  });
}

function lineJson(line: SettlementLine) {
  return withoutGaps({
    member: line.member,
    meter: line.meter === '' ? undefined : line.meter,
    need_kwh: formatKwh(line.needMwh),
    offer_kwh: formatKwh(line.offerMwh),
    received_kwh: formatKwh(line.receivedMwh),
    delivered_kwh: formatKwh(line.deliveredMwh),
    credits: formatCredits(line.amountMicro),
    quality: qualityWord(line.quality),
  });
}

function totalsJson(totals: SettlementTotals) {
  return {
    units: totals.units,
    need_kwh: formatKwh(totals.needMwh),
    offer_kwh: formatKwh(totals.offerMwh),
    shared_kwh: formatKwh(totals.sharedMwh),
    paid: formatCredits(totals.paidMicro),
    levy: formatCredits(totals.levyMicro),
  };
}
