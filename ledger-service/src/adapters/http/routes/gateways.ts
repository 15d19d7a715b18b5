/** Gateways and what they ask for. Off loopback it takes the token; what waits for the operator's signature always does. */
import { EpochReason, toBase64, toHex } from '@commonwatt/firmware-protocol';
import { Type } from 'typebox';
import {
  type EpochRequestView,
  type GatewayView,
  listEpochRequests,
  listGateways,
} from '../../../usecases/queries/index.js';
import { type HttpApp, type HttpContext, readerOf } from '../context.js';
import { isoOf, withoutGaps } from '../format.js';
import {
  answers,
  Base64,
  CommunityParams,
  Count,
  Hex,
  Id,
  Index,
  Instant,
  PageQuery,
  pageRequest,
  pageSchema,
} from '../schemas.js';

const GatewaySchema = Type.Object({
  kid: Hex,
  public_key: Hex,
  home: Id,
  member: Id,
  enrolled_index: Index,
  revoked_index: Type.Optional(Index),
  epoch: Type.Optional(Count),
  opening_hash: Type.Optional({ ...Hex, description: 'What frame 1 of the open epoch names as previous' }),
  next_number: Type.Optional(Count),
  last_received: Type.Optional(Instant),
  accepted_frames: Count,
  parked_frames: Count,
  gaps: Count,
  forked: Type.Boolean(),
  accepted_readings: Count,
  flagged_readings: Type.Integer({ description: 'Kept, but never an edge of an interval' }),
});

const EpochRequestSchema = Type.Object({
  kid: Hex,
  home: Id,
  member: Id,
  epoch: { ...Count, description: 'The one that has forked' },
  next_number: { ...Count, description: 'What the ledger expects next in it' },
  last_received: Type.Optional(Instant),
  last_number: { ...Count, description: 'The last number that the box knows to be accepted; 0 for none' },
  reason: Type.String({ description: 'refused-frame, old-image, lost-state or by-hand' }),
  request: { ...Base64, description: 'What the device signed: a COSE_Sign1 in Base64' },
  request_hash: { ...Hex, description: 'Its SHA-256: an entry of kind 4 signs it' },
});

const tags = ['registry'];

export function gatewayRoutes(app: HttpApp, context: HttpContext): void {
  app.get(
    '/communities/:community/gateways',
    {
      // Frames that wait for others are shown, and are not in the log.
      config: { access: 'member-data', changes: 'freely' },
      schema: {
        tags,
        summary: 'Gateways: sequence, last frame, flags',
        params: CommunityParams,
        querystring: PageQuery,
        response: answers(pageSchema(GatewaySchema)),
      },
    },
    async (request) => {
      const reader = await readerOf(context, request);
      const { items, next } = await listGateways(reader, context.hasher, pageRequest(request.query));
      return withoutGaps({ items: items.map(gatewayJson), next });
    },
  );
  app.get(
    '/communities/:community/epoch-requests',
    {
      config: { access: 'operator', changes: 'freely' },
      schema: {
        tags,
        summary: 'What gateways that have forked ask for: a new epoch, which the operator has to sign',
        description: 'Signed by handing in an entry of kind 4 that names the request by its hash.',
        params: CommunityParams,
        querystring: PageQuery,
        response: answers(pageSchema(EpochRequestSchema)),
      },
    },
    async (request) => {
      const reader = await readerOf(context, request);
      const { items, next } = await listEpochRequests(reader, context.hasher, pageRequest(request.query));
      return withoutGaps({ items: items.map(epochRequestJson), next });
    },
  );
}

function gatewayJson(gateway: GatewayView) {
  const { lastReceivedS } = gateway;
  return withoutGaps({
    kid: gateway.kid,
    public_key: gateway.publicKey,
    home: gateway.home,
    member: gateway.member,
    enrolled_index: gateway.enrolledIndex,
    revoked_index: gateway.revokedIndex,
    epoch: gateway.epoch,
    opening_hash: gateway.openingHash,
    next_number: gateway.nextNumber,
    last_received: lastReceivedS === undefined ? undefined : isoOf(lastReceivedS),
    accepted_frames: gateway.acceptedFrames,
    parked_frames: gateway.parkedFrames,
    gaps: gateway.gaps,
    forked: gateway.forked,
    accepted_readings: gateway.acceptedReadings,
    flagged_readings: gateway.flaggedReadings,
  });
}

const REASON_WORDS = new Map<number, string>([
  [EpochReason.refusedFrame, 'refused-frame'],
  [EpochReason.oldImage, 'old-image'],
  [EpochReason.lostState, 'lost-state'],
  [EpochReason.byHand, 'by-hand'],
]);

function epochRequestJson(asked: EpochRequestView) {
  const { kid, home, member, epoch, nextNumber, lastReceivedS, lastNumber, reason } = asked;
  return withoutGaps({
    kid,
    home,
    member,
    epoch,
    next_number: nextNumber,
    last_received: lastReceivedS === undefined ? undefined : isoOf(lastReceivedS),
    last_number: lastNumber,
    reason: REASON_WORDS.get(reason) ?? String(reason),
    request: toBase64(asked.request),
    request_hash: toHex(asked.requestHash),
  });
}
