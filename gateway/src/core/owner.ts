import { bytesEqual, toHex } from '@commonwatt/firmware-protocol';
import { GatewayError } from '../errors.js';
import type { GatewayConfig } from './gateway-config.js';
import type { GatewayState } from './state.js';

/** The state of a box that has never run. */
export function freshState(config: GatewayConfig, kid: Uint8Array): GatewayState {
  return {
    kid,
    origin: config.origin,
    gateway: config.gateway,
    boot: 0,
    epoch: 1,
    next: 1,
    opening: config.firstPrevious,
    lostReadings: 0,
    lostTold: 0,
    refused: 0,
    meters: new Map(),
  };
}

/** Throws `outbox-foreign` if the outbox belongs to another key, gateway or community. */
export function checkOwner(state: GatewayState, config: GatewayConfig, kid: Uint8Array): void {
  const owner = `${state.gateway} of ${state.origin} with key ${toHex(state.kid)}`;
  if (bytesEqual(state.kid, kid) && state.origin === config.origin && state.gateway === config.gateway) return;
  throw new GatewayError(
    'outbox-foreign',
    `the outbox belongs to ${owner}, not to ${config.gateway} of ${config.origin} with key ${toHex(kid)}`,
  );
}
