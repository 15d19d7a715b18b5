import type { Hasher, Verifier } from '@commonwatt/firmware-protocol';
import type { BrokerLink } from './broker-link.js';
import type { Timers } from './clock.js';
import type { Journal } from './journal.js';
import type { Petitions } from './petitions.js';
import type { Sealer } from './sealer.js';

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
