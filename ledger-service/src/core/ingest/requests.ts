/** What a box asks for beside its frames: a new epoch, to go on behind a gap, a counter that starts anew (PROTOCOL 3). */
import {
  type Answer,
  type CounterEvent,
  cborMap,
  decideEpochRequest,
  decideGap,
  type EpochRequest,
  encodeCbor,
  fromHex,
  type GapRequest,
  parseRequestPayload,
  peekRequestKind,
  REQUEST_SEALS,
  toHex,
  VERDICT,
  type Verdict,
  type Verifier,
} from '@commonwatt/firmware-protocol';
import { KIND, SALT_BYTES } from '@commonwatt/firmware-protocol/log';
import type { Decision } from '../decision.js';
import { foldCounterEvent, MAX_EVENT_AGE_S } from '../fold/counter-event.js';
import { foldGap, foldGatewayEpoch, MAX_AHEAD_S, withParked } from '../fold/frames.js';
import type { DeviceRow } from '../rows.js';
import { intervalSettings } from '../settings.js';
import type { AnswerDraft } from './answer-draft.js';
import { signedAs } from './device-signature.js';
import { decideParked, hints, refuse } from './frames.js';
import { type PreparedMessage, refusing } from './prepared-message.js';

/** A request whose signature holds. */
interface CheckedRequest {
  readonly kid: string;
  readonly device: DeviceRow;
  readonly incoming: PreparedMessage;
}

/** The same checks in the same order as for frames; the answer to a granted request proves the entry it became. */
export function decideRequest(
  decision: Decision,
  verifier: Verifier,
  incoming: PreparedMessage,
): readonly AnswerDraft[] {
  const { sealed } = incoming;
  if (sealed === undefined) return [refuse(incoming, 'malformed')];
  const { kid } = incoming;
  const device = decision.rows.get('device', kid);
  if (device === undefined) return [refuse(incoming, 'unknown-key', { kid: sealed.kid })];
  const home = { kid: sealed.kid, gateway: device.home };
  if (device.revokedIndex !== undefined) return [refuse(incoming, 'inactive-key', home)];
  const kind = peekRequestKind(sealed.payload);
  const seal = kind && signedAs(device, decision.communityRow().genesis, REQUEST_SEALS[kind]);
  if (seal === undefined || !incoming.signatureHolds(seal, verifier)) return [refuse(incoming, 'bad-signature', home)];
  const request = refusing(['bad-payload'], () => parseRequestPayload(sealed.payload));
  const checked = { kid, device, incoming };
  if (request === undefined) return [refused(decision, checked, 'bad-payload')];
  if (request.kind === KIND.counterEvent) return decideCounterEvent(decision, checked, request);
  if (toHex(request.kid) !== kid) return [refused(decision, checked, 'bad-payload')];
  return request.kind === KIND.gatewayEpoch
    ? decideEpoch(decision, checked, request)
    : decideGapRequest(decision, checked, request);
}

function decideEpoch(decision: Decision, checked: CheckedRequest, request: EpochRequest): readonly AnswerDraft[] {
  const row = decision.rows.get('sequence', checked.kid)!;
  const again = row.openingRequest === toHex(checked.incoming.hash);
  if (again) return [granted(decision, checked, row.openingIndex, { epoch: row.state.epoch }, 'known')];
  const verdict = decideEpochRequest(withParked(row), { oldEpoch: request.oldEpoch, operatorSigned: false });
  // The operator has to see what to sign.
  if (verdict.kind === 'fork') decision.keepRequest(checked.kid, checked.incoming);
  if (verdict.kind !== 'accept') return [refused(decision, checked, verdict.kind)];
  decision.forgetWaiting(checked.kid);
  const entry = decision.appendPublic(KIND.gatewayEpoch, cborMap([[1, checked.incoming.message]]));
  foldGatewayEpoch(decision.rows, entry, checked.kid, checked.incoming.hash);
  return [granted(decision, checked, entry.index, { epoch: verdict.epoch }, 'accepted')];
}

function decideGapRequest(decision: Decision, checked: CheckedRequest, request: GapRequest): readonly AnswerDraft[] {
  const { kid, incoming } = checked;
  const row = decision.rows.get('sequence', kid)!;
  const { epoch } = request;
  if (row.gapIndex !== undefined && row.gapRequest === toHex(incoming.hash)) {
    return [granted(decision, checked, row.gapIndex, { epoch }, 'known')];
  }
  const verdict = decideGap(withParked(row, decision.parked(kid)), request);
  if (verdict.kind !== 'accept') return [refused(decision, checked, verdict.kind)];
  const entry = decision.appendPublic(KIND.gap, cborMap([[1, incoming.message]]));
  foldGap(decision.rows, kid, request, { index: entry.index, hash: incoming.hash });
  return [granted(decision, checked, entry.index, { epoch }, 'accepted'), ...decideParked(decision, kid)];
}

/**
 * It names the generation that it opens, so it enters once; a box may speak for its own meters only. A generation that was
 * left out stays left out: to wait for its event would be to count nothing of this meter any more.
 */
function decideCounterEvent(decision: Decision, checked: CheckedRequest, event: CounterEvent): readonly AnswerDraft[] {
  const { kid, incoming, device } = checked;
  const meter = decision.rows.get('meter', event.meter);
  if (meter === undefined || meter.kid !== kid || meter.removedIndex !== undefined)
    return [refused(decision, checked, 'bad-payload')];
  if (meter.eventIndex !== undefined && meter.eventHash === toHex(incoming.hash)) {
    const salt = decision.openingOf(meter.eventIndex).slice(0, SALT_BYTES);
    return [granted(decision, checked, meter.eventIndex, { salt }, 'known')];
  }
  if (event.generation <= meter.generation) return [refused(decision, checked, 'replay')];
  const ageS = incoming.receivedS - event.fromS;
  const isNear = ageS <= MAX_EVENT_AGE_S && ageS >= -MAX_AHEAD_S;
  if (!isNear) return [refused(decision, checked, 'bad-payload')];
  const content = encodeCbor(cborMap([[1, incoming.message]]));
  const entry = decision.appendPrivate(KIND.counterEvent, content, device.member);
  const settings = intervalSettings(decision.communityRow());
  foldCounterEvent(decision.rows, { index: entry.index, messageHash: incoming.hash }, event, settings);
  return [granted(decision, checked, entry.index, { salt: entry.salt }, 'accepted')];
}

function granted(
  decision: Decision,
  { kid, device, incoming }: CheckedRequest,
  index: number,
  fields: Pick<Answer, 'epoch' | 'salt'>,
  outcome: 'accepted' | 'known',
): AnswerDraft {
  const answer = {
    kid: fromHex(kid),
    ...fields,
    messageHash: incoming.hash,
    code: VERDICT.accepted,
    index,
    ...hints(decision, kid),
  };
  return { gateway: device.home, answer, outcome, isGrant: true };
}

function refused(decision: Decision, { kid, device, incoming }: CheckedRequest, verdict: Verdict): AnswerDraft {
  const known = { kid: fromHex(kid), gateway: device.home, ...hints(decision, kid) };
  return refuse(incoming, verdict, known);
}
