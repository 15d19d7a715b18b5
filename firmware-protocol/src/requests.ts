import { type CborValue, cborMap, encodeCbor } from './cbor.js';
import { HASH_BYTES, KID_BYTES } from './crypto.js';
import { ProtocolError } from './errors.js';
import { decodeMessage, describe, Fields } from './fields.js';
import { FRAME_LIMITS, type Quantity } from './frame.js';
import { MAX_MESSAGE_BYTES, type SealedKind } from './sealed.js';
import type { GapClaim } from './sequence.js';
import { isValidId } from './topics.js';

/** What a box may ask for, by the kind of log entry that it becomes (PROTOCOL 3). */
export type RequestKind = 4 | 5 | 7;

/** The external data of each kind of request. */
export const REQUEST_SEALS = {
  4: 'epoch-request/v1',
  5: 'counter-event/v1',
  7: 'gap-request/v1',
} as const satisfies Record<RequestKind, SealedKind>;

const REQUEST_VERSION = 1;

/** Why a box asks for a new epoch (PROTOCOL 3.1). Numbers that are not named here are kept and mean nothing. */
export const EpochReason = { refusedFrame: 1, oldImage: 2, lostState: 3, byHand: 4 } as const;

/** Why a counter starts anew (PROTOCOL 3.3). */
export const CounterCause = { rollover: 1, replacement: 2, reset: 3, unexplainedLeap: 4 } as const;

export interface EpochRequest {
  readonly kid: Uint8Array;
  /** The epoch that is open now. */
  readonly oldEpoch: number;
  /** The last number that the box knows to be accepted; 0 for none. */
  readonly lastNumber: number;
  /** The hash of that message; for 0 the hash that number 1 had to name. */
  readonly lastHash: Uint8Array;
  readonly reason: number;
}

export interface GapRequest extends GapClaim {
  readonly kid: Uint8Array;
}

/** One channel of a counter event: its last value of the old generation and its first of the new, in the channel's unit. */
export interface CounterEventChannel {
  readonly quantity: Quantity;
  readonly last: bigint;
  readonly first: bigint;
}

export interface CounterEvent {
  /** Meter id. */
  readonly meter: string;
  /** The generation that it opens. */
  readonly generation: number;
  readonly cause: number;
  readonly channels: readonly CounterEventChannel[];
  /** UTC second from which the new generation holds. */
  readonly fromS: number;
}

export type DeviceRequest =
  | ({ readonly kind: 4 } & EpochRequest)
  | ({ readonly kind: 5 } & CounterEvent)
  | ({ readonly kind: 7 } & GapRequest);

/** Payload of an epoch request. Throws `bad-payload` for what `parseRequestPayload` would refuse. */
export function encodeEpochRequest(request: EpochRequest): Uint8Array {
  return encode(4, [
    [1, request.kid],
    [2, request.oldEpoch],
    [3, request.lastNumber],
    [4, request.lastHash],
    [5, request.reason],
  ]);
}

/** Payload of a gap request. Throws `bad-payload`. */
export function encodeGapRequest(request: GapRequest): Uint8Array {
  return encode(7, [
    [1, request.kid],
    [2, request.epoch],
    [3, request.first],
    [4, request.last],
    [5, request.expectedPrevious],
    [6, request.nextPrevious],
  ]);
}

/** Payload of a counter event. Throws `bad-payload`. */
export function encodeCounterEvent(event: CounterEvent): Uint8Array {
  return encode(5, [
    [1, event.meter],
    [2, event.generation],
    [3, event.cause],
    [4, event.channels.map(({ quantity, last, first }) => [quantity, last, first])],
    [5, event.fromS],
  ]);
}

function encode(kind: RequestKind, fields: readonly (readonly [number, CborValue])[]): Uint8Array {
  const payload = encodeCbor([kind, REQUEST_VERSION, cborMap(fields)]);
  parseRequestPayload(payload);
  return payload;
}

/**
 * Untrusted, before the signature: the kind that a payload says it is, for choosing the external data. Undefined for none;
 * a lie does not verify, because the external data names the kind.
 */
export function peekRequestKind(payload: Uint8Array): RequestKind | undefined {
  const kind = payload[1];
  if (payload[0] !== 0x83 || payload[2] !== REQUEST_VERSION) return undefined;
  return kind === 4 || kind === 5 || kind === 7 ? kind : undefined;
}

/** A request's payload after its signature held. Throws `bad-payload`. */
export function parseRequestPayload(bytes: Uint8Array): DeviceRequest {
  const value = decodeMessage(bytes, MAX_MESSAGE_BYTES, 'bad-payload');
  if (!Array.isArray(value) || value.length !== 3 || value[1] !== REQUEST_VERSION) {
    throw new ProtocolError(
      'bad-payload',
      `request: expected [kind, ${REQUEST_VERSION}, fields], got ${describe(value)}`,
    );
  }
  const kind: unknown = value[0];
  if (kind === 4) return { kind, ...parseEpochRequest(value[2]) };
  if (kind === 5) return { kind, ...parseCounterEvent(value[2]) };
  if (kind === 7) return { kind, ...parseGapRequest(value[2]) };
  throw new ProtocolError('bad-payload', `request: expected kind 4, 5 or 7, got ${describe(value[0])}`);
}

/** The fields of an epoch request, also as they stand in a gateway-epoch entry. Throws `bad-payload`. */
export function parseEpochRequest(value: CborValue | undefined): EpochRequest {
  const fields = new Fields(value, 'epoch request', 'bad-payload');
  const request = {
    kid: fields.bytes(1, 'kid', KID_BYTES),
    oldEpoch: fields.uint(2, 'old epoch', 1, FRAME_LIMITS.maxEpoch),
    lastNumber: fields.uint(3, 'last number'),
    lastHash: fields.bytes(4, 'last hash', HASH_BYTES),
    reason: fields.uint(5, 'reason'),
  };
  fields.end();
  return request;
}

/** The fields of a gap request, and of the entry that the ledger writes itself. Throws `bad-payload`. */
export function parseGapRequest(value: CborValue | undefined): GapRequest {
  const fields = new Fields(value, 'gap request', 'bad-payload');
  const first = fields.uint(3, 'first missing', 1);
  const request = {
    kid: fields.bytes(1, 'kid', KID_BYTES),
    epoch: fields.uint(2, 'epoch', 1, FRAME_LIMITS.maxEpoch),
    first,
    // A frame follows, so the last missing number is not the last number there is.
    last: fields.uint(4, 'last missing', first, Number.MAX_SAFE_INTEGER - 1),
    expectedPrevious: fields.bytes(5, 'expected previous', HASH_BYTES),
    nextPrevious: fields.bytes(6, 'next previous', HASH_BYTES),
  };
  fields.end();
  return request;
}

/** The fields of a counter event. Throws `bad-payload`. */
export function parseCounterEvent(value: CborValue | undefined): CounterEvent {
  const fields = new Fields(value, 'counter event', 'bad-payload');
  const meter = fields.text(1, 'meter');
  if (!isValidId(meter)) throw fields.fail('a meter id', JSON.stringify(meter.slice(0, 80)));
  const generation = fields.uint(2, 'generation', 1);
  const cause = fields.uint(3, 'cause', CounterCause.rollover, CounterCause.unexplainedLeap);
  const channels = fields
    .array(4, 'channels', 1, FRAME_LIMITS.maxQuantity)
    .map((channel) => parseCounterChannel(fields, channel));
  for (let i = 1; i < channels.length; i++) {
    if (channels[i]!.quantity <= channels[i - 1]!.quantity)
      throw fields.fail('rising quantities', String(channels[i]!.quantity));
  }
  const fromS = fields.uint(5, 'from');
  fields.end();
  return { meter, generation, cause, channels, fromS };
}

function parseCounterChannel(fields: Fields, value: CborValue): CounterEventChannel {
  if (!Array.isArray(value) || value.length !== 3) throw fields.fail('[quantity, last, first]', describe(value));
  const [quantity, last, first] = value as CborValue[];
  if (typeof quantity !== 'number' || quantity < 1 || quantity > FRAME_LIMITS.maxQuantity) {
    throw fields.fail('quantity 1 to 7', describe(quantity));
  }
  return { quantity: quantity as Quantity, last: toCounter(fields, last), first: toCounter(fields, first) };
}

/** Decoded integers have at most 64 bits, so only the sign is left to check. */
function toCounter(fields: Fields, value: CborValue | undefined): bigint {
  if ((typeof value !== 'number' && typeof value !== 'bigint') || value < 0)
    throw fields.fail('a counter value', describe(value));
  return BigInt(value);
}
