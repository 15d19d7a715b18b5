import { EpochReason, type Hasher, type Verifier } from '@commonwatt/firmware-protocol';
import type { BrokerLink } from './broker-link.js';
import type { Timers } from './clock.js';
import type { Journal, SignedMessage } from './journal.js';
import type { Petitions } from './petitions.js';
import type { Sealer } from './sealer.js';
import type { GatewayState } from './state.js';

/** What the dialogue with the ledger stands on. */
export interface DialogueParts {
  readonly journal: Journal;
  readonly sealer: Sealer;
  readonly petitions: Petitions;
  readonly broker: BrokerLink;
  readonly timers: Timers;
  readonly random: () => number;
  readonly topics: { readonly frame: string; readonly event: string };
  readonly origin: string;
  readonly logKey: Uint8Array;
  readonly answerKey: Uint8Array;
  readonly hasher: Hasher;
  readonly verifier: Verifier;
  /** Sealing is possible again, or an answer came. */
  readonly onProgress: () => void;
  /** Untrusted answers come at any time: what a commit throws is told here. */
  readonly onFailure: (error: unknown) => void;
  /** What a person should read: the ledger's answers cannot be used. */
  readonly onNote: (text: string) => void;
}

export type Phase =
  /** The newest message goes out again, and nothing is sealed before its answer: this may be an old image. */
  { readonly kind: 'confirming'; readonly id: number } | { readonly kind: 'asking' } | { readonly kind: 'ready' };

/** Why a new epoch is asked for, in words. */
export function askingReason(asking: GatewayState['asking']): string {
  const why = Object.entries(EpochReason).find(([, value]) => value === asking?.reason)?.[0] ?? 'unknown';
  return `epoch ${asking?.oldEpoch ?? 0} is to be closed (${why}); a new one is requested`;
}

/** The request that opened the epoch, or an earlier one. */
export function isGrant({ kind, epoch }: SignedMessage, openEpoch: number): boolean {
  return kind === 'epoch' && epoch < openEpoch;
}
