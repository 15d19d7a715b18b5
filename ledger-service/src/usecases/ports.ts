/** What the use cases need of the world. Adapters fulfil these; nothing here knows a database, a broker or a clock. */
import type { Hasher, Signer, Verifier } from '@commonwatt/firmware-protocol';
import type { RowValue, TableName } from '../core/rows.js';

export interface RowAddress {
  readonly table: TableName;
  readonly key: string;
}

export interface RowWrite extends RowAddress {
  /** undefined deletes the row. */
  readonly value: RowValue | undefined;
}

export interface CommitBatch {
  /** The log's size this batch was decided on. */
  readonly expectedSize: number;
  /** The log's size afterwards: expectedSize plus the leaves in `writes`. */
  readonly newSize: number;
  readonly writes: readonly RowWrite[];
}

export interface ScanRange {
  /** Inclusive. */
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
  /** 1 to 10,000 rows. */
  readonly limit: number;
  readonly reverse?: boolean;
}

/**
 * One store for all communities. Keys are compared as bytes of UTF-8.
 * `commit` applies all writes durably and moves the size, or, when the size is not `expectedSize`, applies nothing and
 * says 'conflict': two writers cannot fork a log. When its promise resolves with 'applied' the batch survives a power cut.
 * Failures of the medium (full, read-only, damaged) reject with LedgerError 'store' and leave nothing half written.
 */
export interface LedgerStore {
  communities(): Promise<readonly string[]>;
  /** Size of the log, 0 for an unknown community. */
  size(community: string): Promise<number>;
  /** Values in the order of the addresses, undefined where there is no row. */
  read(community: string, addresses: readonly RowAddress[]): Promise<readonly (RowValue | undefined)[]>;
  scan(community: string, table: TableName, range: ScanRange): Promise<readonly { key: string; value: RowValue }[]>;
  commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'>;
  /** Deletes every row of every projection of one community. */
  dropProjections(community: string): Promise<void>;
  /** SHA-256, lower-case hex, over the ordered dump of one table: two stores with the same rows say the same. */
  dumpHash(community: string, table: TableName): Promise<string>;
  close(): Promise<void>;
}

/** UTC milliseconds: simulated or real, never going back in one process. */
export interface Clock {
  nowMs(): number;
}

/** Lets other work of the process run: frames and receipts come before long work. */
export type Pause = () => Promise<void>;

/** One signature to decide on, by the rule of the verifier. */
export interface SignatureCheck {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** Hash, verdicts and chance, handed in. */
export interface Crypto {
  readonly hasher: Hasher;
  readonly verifier: Verifier;
  randomBytes(count: number): Uint8Array;
  /** The verifier's verdicts on many signatures, in their order, beside this thread where there are others. */
  verifyMany?(checks: readonly SignatureCheck[]): Promise<readonly boolean[]>;
}

/** Keys the ledger signs with; the operator's key need not be here. */
export interface CommunityKeys {
  readonly log: Signer;
  readonly answer: Signer;
}
