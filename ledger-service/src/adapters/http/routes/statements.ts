/** A member's statement, as JSON or as a table. */
import { formatCredits, formatKwh } from '@commonwatt/firmware-protocol';
import { Type } from 'typebox';
import type { StatementFigures, StatementRow, StatementSum } from '../../../core/statement.js';
import {
  type Bound,
  MAX_PAGE_ITEMS,
  type Page,
  resolvePeriod,
  type StatementView,
  statementOf,
} from '../../../usecases/queries/index.js';
import { pageOf } from '../../../usecases/queries/paging.js';
import { type HttpApp, type HttpContext, readerOf } from '../context.js';
import { isoOf, parseBound, parseInstantS, qualityWord, withoutGaps } from '../format.js';
import {
  answers,
  BoundParameter,
  Count,
  Credits,
  exactly,
  Id,
  Instant,
  InstantParameter,
  Kwh,
  KwhOrUnknown,
  Next,
} from '../schemas.js';

/** In the order of the columns of the table. */
const figures = {
  generated_kwh: KwhOrUnknown,
  used_at_home_kwh: KwhOrUnknown,
  received_kwh: Kwh,
  delivered_kwh: Kwh,
  from_grid_kwh: Type.String({ description: 'Needed and not received' }),
  to_grid_kwh: Type.String({ description: 'Offered and not taken' }),
  credits: Credits,
  import_kwh: Type.String({ description: 'need + netted + outside' }),
  export_kwh: Type.String({ description: 'offer + netted + outside' }),
  need_kwh: Type.String({ description: 'received + from grid' }),
  offer_kwh: Type.String({ description: 'delivered + to grid' }),
  netted_kwh: Type.String({ description: 'Import and export of one interval that cancelled out' }),
  outside_import_kwh: Type.String({ description: 'Counted, but outside the sharing: from the grid' }),
  outside_export_kwh: Type.String({ description: 'Counted, but outside the sharing: to the grid' }),
};

const sum = {
  ...figures,
  intervals: Count,
  provisional: Type.Integer({ description: 'Intervals that may still change' }),
  qualities: Type.Record(Type.String(), Count, { description: 'Intervals by quality' }),
  counters_disagree: Count,
  generation_known: Type.Integer({ description: 'Intervals whose generation is in the sum' }),
  used_at_home_known: Count,
};

const StatementSchema = Type.Object({
  member: Id,
  from: Instant,
  to: Instant,
  interval_s: Count,
  time_zone: Type.String(),
  sum: Type.Object(sum),
  days: Type.Array(Type.Object({ day: Type.String(), from: Instant, to: Instant, sum: Type.Object(sum) }), {
    description: "Days of the community's time zone",
  }),
  intervals: Type.Array(
    Type.Object({
      start: Instant,
      version: Count,
      final: Type.Boolean(),
      quality: Type.String(),
      ...figures,
      counters_disagree: Type.Boolean(),
    }),
    { description: 'A page of them; `sum` and `days` are over all' },
  ),
  next: Next,
});

export function statementRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/members/:member/statement',
    {
      config: { access: 'member-data' },
      schema: {
        tags: ['balances'],
        summary: 'Statement of one member: per interval, per local day, and summed',
        description:
          'Half open. Without `to` it ends with the newest interval, without `from` it begins with the local day of its end. ' +
          'Intervals come in pages: for the next one send `from` and `to` as this answer has them. A table (`csv`) holds ' +
          'all intervals unless `limit` says otherwise; then the header `Link` leads to the next page.',
        params: exactly({ community: Id, member: Id }),
        querystring: exactly({
          from: Type.Optional(BoundParameter),
          to: Type.Optional(BoundParameter),
          after: Type.Optional({ ...InstantParameter, description: 'The `next` of the page before' }),
          limit: Type.Optional(
            Type.Integer({ minimum: 1, maximum: MAX_PAGE_ITEMS, description: 'JSON: 1000 if absent' }),
          ),
          format: Type.Optional(Type.Enum(['json', 'csv'], { default: 'json' })),
        }),
        produces: ['application/json', 'text/csv'],
        response: answers(StatementSchema),
      },
    },
    async (request, reply) => {
      const { from, to, format } = request.query;
      const reader = await readerOf(context, request);
      const bounds = { from: boundOf(from, 'from'), to: boundOf(to, 'to') };
      const statement = await statementOf(reader, request.params.member, await resolvePeriod(reader, bounds));
      if (format !== 'csv') return statementJson(statement, rowsPage(statement, request.query, MAX_PAGE_ITEMS));
      const page = rowsPage(statement, request.query, statement.rows.length);
      if (page.next !== undefined) reply.header('link', `<${nextAddress(request.url, page.next)}>; rel="next"`);
      // The table is text beside the schema, which describes the JSON.
      return reply.type('text/csv; charset=utf-8').send(statementCsv(page.items) as never);
    },
  );
}

/** Intervals that start after the cursor: the start of the last one in UTC seconds. */
function rowsPage(
  { rows }: StatementView,
  { after, limit }: { after?: string; limit?: number },
  otherwise: number,
): Page<StatementRow> {
  const page = withoutGaps({
    after: after === undefined ? undefined : String(parseInstantS(after, 'after')),
    limit: limit ?? otherwise,
  });
  return pageOf(rows, page, { cursorOf: (row) => String(row.startS), compare: (a, b) => Number(a) - Number(b) });
}

/** The same question, further on: a path of this service. */
function nextAddress(url: string, next: string): string {
  const address = new URL(url, 'http://localhost');
  address.searchParams.set('after', next);
  return `${address.pathname}${address.search}`;
}

function boundOf(text: string | undefined, name: string): Bound | undefined {
  return text === undefined ? undefined : parseBound(text, name);
}

function statementJson(statement: StatementView, { items, next }: Page<StatementRow>) {
  const { member, fromS, toS, intervalS, timeZone, sum, days } = statement;
  return withoutGaps({
    member,
    from: isoOf(fromS),
    to: isoOf(toS),
    interval_s: intervalS,
    time_zone: timeZone,
    sum: sumJson(sum),
    days: days.map((day) => ({ day: day.day, from: isoOf(day.startS), to: isoOf(day.endS), sum: sumJson(day.sum) })),
    intervals: items.map(rowJson),
    next,
  });
}

function rowJson(row: StatementRow) {
  return {
    start: isoOf(row.startS),
    version: row.version,
    final: row.final,
    quality: qualityWord(row.quality),
    ...figuresJson(row),
    counters_disagree: row.countersDisagree,
  };
}

function sumJson(of: StatementSum) {
  return {
    ...figuresJson(of),
    intervals: of.intervals,
    provisional: of.provisional,
    qualities: Object.fromEntries(of.qualities.map((count, quality) => [qualityWord(quality), count])),
    counters_disagree: of.countersDisagree,
    generation_known: of.generationKnown,
    used_at_home_known: of.usedAtHomeKnown,
  };
}

function figuresJson(of: StatementFigures) {
  return {
    generated_kwh: kwhOrNull(of.generationMwh),
    used_at_home_kwh: kwhOrNull(of.usedAtHomeMwh),
    received_kwh: formatKwh(of.receivedMwh),
    delivered_kwh: formatKwh(of.deliveredMwh),
    from_grid_kwh: formatKwh(of.fromGridMwh),
    to_grid_kwh: formatKwh(of.toGridMwh),
    credits: formatCredits(of.amountMicro),
    import_kwh: formatKwh(of.importMwh),
    export_kwh: formatKwh(of.exportMwh),
    need_kwh: formatKwh(of.needMwh),
    offer_kwh: formatKwh(of.offerMwh),
    netted_kwh: formatKwh(of.nettedMwh),
    outside_import_kwh: formatKwh(of.outsideImportMwh),
    outside_export_kwh: formatKwh(of.outsideExportMwh),
  };
}

function kwhOrNull(energyMwh: number | undefined): string | null {
  return energyMwh === undefined ? null : formatKwh(energyMwh);
}

/** One line an interval; no value needs quoting: numbers, instants and words of closed lists. */
function statementCsv(rows: readonly StatementRow[]): string {
  const columns = ['start', 'version', 'final', 'quality', ...Object.keys(figures), 'counters_disagree'];
  const lines = rows.map((row) => {
    const values: Record<string, unknown> = rowJson(row);
    return columns.map((column) => String(values[column] ?? '')).join(',');
  });
  return [columns.join(','), ...lines, ''].join('\n');
}
