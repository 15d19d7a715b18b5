/** Who and what is enrolled. Off loopback all but the rules takes the token. */

import { formatCredits } from '@commonwatt/firmware-protocol';
import { Type } from 'typebox';
import type { RulesRow } from '../../../core/rows.js';
import {
  findHome,
  findMember,
  findMeter,
  type HomeView,
  listHomes,
  listMembers,
  listMeters,
  listRules,
  type MemberView,
  type MeterView,
} from '../../../usecases/queries/index.js';
import { type HttpApp, type HttpContext, readerOf } from '../context.js';
import { classWord, isoOf, nettingWord, quantityWord, withoutGaps } from '../format.js';
import {
  answers,
  CommunityParams,
  Count,
  Credits,
  exactly,
  Hex,
  Id,
  Index,
  Instant,
  PageQuery,
  pageRequest,
  pageSchema,
} from '../schemas.js';

const MemberSchema = Type.Object({
  id: Id,
  class: Type.String({ description: 'household, commons or commercial' }),
  name: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
  member_key: Type.Optional(Hex),
  index: Index,
});

const HomeSchema = Type.Object({
  id: Id,
  member: Id,
  gateways: Type.Array(Hex, { description: 'kids, revoked ones too' }),
  meters: Type.Array(Id),
  active: Type.Boolean({ description: 'A gateway of the home may send frames now' }),
});

const MeterSchema = Type.Object({
  id: Id,
  home: Id,
  member: Id,
  kid: Hex,
  generation: Type.Integer({ description: 'Rises with every counter event' }),
  channels: Type.Array(
    Type.Object({
      quantity: Type.String(),
      exponent: Type.Integer({ description: 'The counter counts in 10^exponent Wh' }),
      width_bits: Type.Integer(),
      limit_w: Type.Integer({ description: '0: no limit' }),
    }),
  ),
  index: Index,
});

const RulesSchema = Type.Object({
  index: Index,
  number: Count,
  first_interval: Instant,
  netting: Type.String({ description: 'none, meter or member' }),
  consumer_rule: Type.String(),
  producer_rule: Type.String(),
  price: Credits,
  levy_basis_points: Count,
  text: Type.String({ description: 'What a court reads' }),
  decided_by: Type.Optional(Type.String()),
});

const tags = ['registry'];

export function registryRoutes(app: HttpApp, context: HttpContext): void {
  memberRoutes(app, context);
  homeRoutes(app, context);
  meterRoutes(app, context);
  app.get(
    '/communities/:community/rules',
    {
      config: { access: 'public' },
      schema: {
        tags,
        summary: 'Sharing rules, oldest first',
        params: CommunityParams,
        querystring: PageQuery,
        response: answers(pageSchema(RulesSchema)),
      },
    },
    async (request) => {
      const { items, next } = await listRules(await readerOf(context, request), pageRequest(request.query));
      return withoutGaps({ items: items.map(rulesJson), next });
    },
  );
}

function memberRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/members',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'Members, by id',
        params: CommunityParams,
        querystring: PageQuery,
        response: answers(pageSchema(MemberSchema)),
      },
    },
    async (request) => {
      const { items, next } = await listMembers(await readerOf(context, request), pageRequest(request.query));
      return withoutGaps({ items: items.map(memberJson), next });
    },
  );
  app.get(
    '/communities/:community/members/:member',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'One member',
        params: exactly({ community: Id, member: Id }),
        response: answers(MemberSchema),
      },
    },
    async (request) => memberJson(await findMember(await readerOf(context, request), request.params.member)),
  );
}

function homeRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/homes',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'Homes, by id',
        params: CommunityParams,
        querystring: PageQuery,
        response: answers(pageSchema(HomeSchema)),
      },
    },
    async (request) => {
      const { items, next } = await listHomes(await readerOf(context, request), pageRequest(request.query));
      return withoutGaps({ items: items.map(homeJson), next });
    },
  );
  app.get(
    '/communities/:community/homes/:home',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'One home',
        params: exactly({ community: Id, home: Id }),
        response: answers(HomeSchema),
      },
    },
    async (request) => homeJson(await findHome(await readerOf(context, request), request.params.home)),
  );
}

function meterRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/meters',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'Meters, by id',
        params: CommunityParams,
        querystring: PageQuery,
        response: answers(pageSchema(MeterSchema)),
      },
    },
    async (request) => {
      const { items, next } = await listMeters(await readerOf(context, request), pageRequest(request.query));
      return withoutGaps({ items: items.map(meterJson), next });
    },
  );
  app.get(
    '/communities/:community/meters/:meter',
    {
      config: { access: 'member-data' },
      schema: {
        tags,
        summary: 'One meter and its channels',
        params: exactly({ community: Id, meter: Id }),
        response: answers(MeterSchema),
      },
    },
    async (request) => meterJson(await findMeter(await readerOf(context, request), request.params.meter)),
  );
}

function memberJson({ id, memberClass, name, address, memberKey, index }: MemberView) {
  return withoutGaps({ id, class: classWord(memberClass), name, address, member_key: memberKey, index });
}

function homeJson({ id, member, gateways, meters, active }: HomeView) {
  return { id, member, gateways: [...gateways], meters: [...meters], active };
}

function meterJson({ id, home, member, kid, generation, channels, index }: MeterView) {
  const shown = channels.map(({ quantity, exponent, widthBits, limitW }) => ({
    quantity: quantityWord(quantity),
    exponent,
    width_bits: widthBits,
    limit_w: limitW,
  }));
  return { id, home, member, kid, generation, channels: shown, index };
}

const CONSUMER_RULES = ['', 'dynamic-pro-rata'] as const;
const PRODUCER_RULES = ['', 'pro-rata'] as const;

function rulesJson({ index, number, settings, firstIntervalS, text, decidedBy }: RulesRow) {
  return withoutGaps({
    index,
    number,
    first_interval: isoOf(firstIntervalS),
    netting: nettingWord(settings.netting),
    consumer_rule: CONSUMER_RULES[settings.consumerRule],
    producer_rule: PRODUCER_RULES[settings.producerRule],
    price: formatCredits(BigInt(settings.priceMicroPerKwh)),
    levy_basis_points: settings.levyBasisPoints,
    text,
    decided_by: decidedBy,
  });
}
