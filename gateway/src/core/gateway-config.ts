import type { Quantity } from '@commonwatt/firmware-protocol';
import type { Profile } from '@commonwatt/firmware-protocol/registers';

/** One counter that the log knows of; only these are sent. */
export interface ChannelConfig {
  readonly quantity: Quantity;
  /** The unit of its values: 10^exponent Wh. */
  readonly exponent: number;
  /** It runs over at 2^widthBits of that unit. */
  readonly widthBits: number;
  /** Nameplate power in watts; 0 for no limit. */
  readonly limitW: number;
}

export interface MeterConfig {
  readonly index: number;
  readonly id: string;
  readonly profile: Profile;
  readonly host: string;
  readonly port: number;
  readonly unit: number;
  /** The generation in which the meter was enrolled. */
  readonly generation: number;
  /** Rising by quantity. */
  readonly channels: readonly ChannelConfig[];
}

/** The file that enrolment writes, checked. */
export interface GatewayConfig {
  readonly community: string;
  readonly origin: string;
  readonly gateway: string;
  readonly member: string;
  readonly mqtt: string;
  readonly logKey: Uint8Array;
  readonly answerKey: Uint8Array;
  /** Leaf hash of the device entry: what frame 1 of epoch 1 names as previous. */
  readonly firstPrevious: Uint8Array;
  readonly intervalS: number;
  /** Seconds between polls inside an interval; 0 polls at its edges only. */
  readonly pollS: number;
  readonly meters: readonly MeterConfig[];
  readonly clock: { readonly source: number; readonly errorMs: number };
  /** Samples that the outbox holds at most. */
  readonly outboxLimit: number;
}
