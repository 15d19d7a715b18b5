/** Communities: what each is, by its genesis, and how far its log has come. Public, as the log is. */
import { toHex } from '@commonwatt/firmware-protocol';
import { Type } from 'typebox';
import { type CommunityView, describeCommunity, listCommunities } from '../../../usecases/queries/index.js';
import type { HttpApp, HttpContext } from '../context.js';
import { isoOf, policyWord, withoutGaps } from '../format.js';
import {
  answers,
  CommunityParams,
  Count,
  Hex,
  Id,
  Index,
  Instant,
  PageQuery,
  pageRequest,
  pageSchema,
  Size,
} from '../schemas.js';

const CommunitySchema = Type.Object({
  id: Id,
  origin: Type.String({ description: 'Name of the log, in every signature' }),
  currency: Type.String(),
  interval_s: Count,
  time_zone: Type.String({ description: 'For statements only; everything else is UTC' }),
  settings: Type.Object({
    settle_after_s: Count,
    grace_s: Count,
    max_span_s: Count,
    outage_policy: Type.String({ description: 'leave-out, wait or estimate' }),
    k_anonymity: Count,
  }),
  commons: Id,
  log_key: Hex,
  answer_key: Hex,
  operator_key: Hex,
  statutes_hash: Type.Optional(Hex),
  size: Size,
  next_number: Type.Integer({ description: 'The number that the operator key has to sign next' }),
  newest_received: Type.Optional(Instant),
  seal: Type.Optional(Type.Object({ number: Count, index: Index })),
});

export function communityRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities',
    {
      // It shows the size of every log, and no one size tells.
      config: { access: 'public', changes: 'freely' },
      schema: {
        tags: ['communities'],
        summary: 'The communities of this ledger',
        querystring: PageQuery,
        response: answers(pageSchema(Type.Object({ id: Id, size: Size }))),
      },
    },
    async ({ query }) => {
      const { items, next } = await listCommunities(context.store, pageRequest(query));
      return withoutGaps({ items: [...items], next });
    },
  );
  app.get(
    '/communities/:community',
    {
      config: { access: 'public' },
      schema: {
        tags: ['communities'],
        summary: 'One community: genesis, settings, size of its log',
        params: CommunityParams,
        response: answers(CommunitySchema),
      },
    },
    async ({ params }) => communityJson(await describeCommunity(context.store, params.community)),
  );
}

function communityJson({ id, genesis, size, nextNumber, newestReceivedS, seal }: CommunityView) {
  const { settings, statutesHash } = genesis;
  return withoutGaps({
    id,
    origin: genesis.origin,
    currency: genesis.currency,
    interval_s: genesis.intervalS,
    time_zone: genesis.timeZone,
    settings: {
      settle_after_s: settings.settleAfterS,
      grace_s: settings.graceS,
      max_span_s: settings.maxSpanS,
      outage_policy: policyWord(settings.outagePolicy),
      k_anonymity: settings.kAnonymity,
    },
    commons: settings.commonsMember,
    log_key: toHex(genesis.logKey),
    answer_key: toHex(genesis.answerKey),
    operator_key: toHex(genesis.operatorKey),
    statutes_hash: statutesHash && toHex(statutesHash),
    size,
    next_number: nextNumber,
    newest_received: newestReceivedS === undefined ? undefined : isoOf(newestReceivedS),
    seal,
  });
}
