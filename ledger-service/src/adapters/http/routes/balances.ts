/** Balances and statements: what is owed, and out of what it came. */
import { compareUtf8, formatCredits, formatKwh } from '@commonwatt/firmware-protocol';
import { Type } from 'typebox';
import {
  type Balance,
  type BalanceQuestion,
  type Balances,
  balancesAt,
  findMember,
} from '../../../usecases/queries/index.js';
import { pageOf } from '../../../usecases/queries/paging.js';
import { type HttpApp, type HttpContext, readerOf } from '../context.js';
import { isoOf, parseInstantS, withoutGaps } from '../format.js';
import {
  answers,
  CommunityParams,
  Credits,
  exactly,
  Id,
  Instant,
  InstantParameter,
  Kwh,
  PageQuery,
  pageRequest,
  pageSchema,
  Size,
} from '../schemas.js';

const BalanceSchema = Type.Object({
  member: Id,
  credits: Credits,
  energy_kwh: Type.String({ description: 'Delivered minus received, kWh with six decimals' }),
});

const moment = {
  asOf: Type.Optional({ ...InstantParameter, description: "An interval's end: later intervals do not count" }),
  knownAt: Type.Optional({ ...Size, description: 'A size of the log: what was booked at it and later does not count' }),
};
const momentShown = { as_of: Type.Optional(Instant), known_at: Size };
const tags = ['balances'];

export function balanceRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/balances',
    {
      config: { access: 'member-data', changes: changesOfMoment },
      schema: {
        tags,
        summary: 'Balances of all members, now or as they were',
        description: 'To read all pages of one moment while the log grows, send `knownAt` with the first `known_at`.',
        params: CommunityParams,
        querystring: exactly({ ...PageQuery.properties, ...moment }),
        response: answers(
          pageSchema(BalanceSchema, {
            ...momentShown,
            totals: Type.Object({ credits: Credits, energy_kwh: Kwh }, { description: 'Over all pages: zero' }),
          }),
        ),
      },
    },
    async (request) => {
      const balances = await balancesAt(await readerOf(context, request), questionOf(request.query));
      const all = [...balances.accounts].map(([member, balance]) => ({ member, ...balance }));
      const { items, next } = pageOf(all, pageRequest(request.query), {
        cursorOf: (item) => item.member,
        compare: compareUtf8,
      });
      return withoutGaps({ ...momentJson(balances), totals: totalsOf(all), items: items.map(balanceJson), next });
    },
  );
  app.get(
    '/communities/:community/members/:member/balance',
    {
      config: { access: 'member-data', changes: changesOfMoment },
      schema: {
        tags,
        summary: 'Balance of one member, now or as it was',
        params: exactly({ community: Id, member: Id }),
        querystring: exactly(moment),
        response: answers(Type.Object({ ...BalanceSchema.properties, ...momentShown })),
      },
    },
    async (request) => {
      const reader = await readerOf(context, request);
      const { id } = await findMember(reader, request.params.member);
      const balances = await balancesAt(reader, questionOf(request.query));
      const balance = balances.accounts.get(id) ?? { amountMicro: 0n, energyMwh: 0 };
      return withoutGaps({ ...balanceJson({ member: id, ...balance }), ...momentJson(balances) });
    },
  );
}

/** Bookings are never changed: what was known at a size of the log is the same for ever. */
function changesOfMoment({ knownAt }: Readonly<Record<string, unknown>>) {
  return knownAt === undefined ? 'with-log' : 'never';
}

function questionOf({ asOf, knownAt }: { asOf?: string; knownAt?: number }): BalanceQuestion {
  return withoutGaps({ asOfS: asOf === undefined ? undefined : parseInstantS(asOf, 'asOf'), knownAt });
}

function momentJson({ asOfS, knownAt }: Balances) {
  return withoutGaps({ as_of: asOfS === undefined ? undefined : isoOf(asOfS), known_at: knownAt });
}

interface Figures {
  readonly amountMicro: bigint;
  readonly energyMwh: number;
}

function balanceJson({ member, amountMicro, energyMwh }: Figures & { readonly member: string }) {
  return { member, credits: formatCredits(amountMicro), energy_kwh: formatKwh(energyMwh) };
}

/** Zero, unless something is broken: shown so that anyone may see it. */
function totalsOf(balances: readonly Balance[]) {
  let amountMicro = 0n;
  let energyMwh = 0n;
  for (const balance of balances) {
    amountMicro += balance.amountMicro;
    energyMwh += BigInt(balance.energyMwh);
  }
  return { credits: formatCredits(amountMicro), energy_kwh: formatKwh(Number(energyMwh)) };
}
